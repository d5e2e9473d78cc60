"""How commands end: one code for each kind of end, the same on every surface."""

from collections.abc import Collection, Iterable

from labelvalue import names

DONE, BAD_INPUT, NOT_PUBLISHED, STOPPED, BUSY, STORAGE, UNDECIDED = 0, 1, 2, 3, 4, 5, 6
INTERRUPTED = 130  # what a shell shows for a command that Ctrl-C ended
STATES = {names.PASS: DONE, names.STOP: STOPPED, names.INCONCLUSIVE: UNDECIDED}
"""How a command ends by how the rules stand."""


def ending(state: str, missing: Collection[object] = ()) -> int:
    """Return how a command ends on a decision: by how its rules stand, and with 3 where an approval is missing."""
    return STOPPED if missing else STATES[state]


def worst(codes: Iterable[int]) -> int:
    """Return the highest of several codes; that rules are undecided only where all else is done."""
    return max(codes, key=severity)


def severity(code: int) -> tuple[int, int]:
    """Return what codes are ordered by: their number, but for undecided rules, which weigh least."""
    return code % UNDECIDED, code
