"""Problems with what a user gave: collected, placed, and raised all at once.

A reader collects a :class:`Problem` for everything it finds and raises one :class:`InputError` at the
end of its pass, so that a file is mended in one go and not one error at a time.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from labelvalue.printing import visible

SHOWN = 20  # problems printed in full before the rest is counted
LONGEST_NAME = 40  # characters of a name that are shown
LONGEST = 1000  # characters that are printed of what is wrong, and of the way out; a file may hold names of any length
SHORTEST = 4  # letters from which on the beginning of a known word stands for it


def quote(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut at ``limit`` characters, control characters escaped."""
    try:
        text = visible(repr(value))
    except ValueError:  # digits without end
        text = f"a number of {value.bit_length():,} bits" if isinstance(value, int) else type(value).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(found: Iterable[object], most: int = 12) -> str:
    """Return names that stand in a file, joined by commas: the first of them, none longer than forty characters."""
    names = [str(name) for name in found]
    shown = ", ".join(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names[:most])
    return f"{shown} …" if len(names) > most else shown or "none"


def some_of(texts: Iterable[str], most: int = 10, between: str = ", ") -> str:
    """Return the first of some texts, and how many more there are."""
    told = list(texts)
    more = f"{';' * (between == '; ')} and {len(told) - most} more" if len(told) > most else ""
    return between.join(told[:most]) + more


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known word, or an empty text."""
    options = list(known)
    close = get_close_matches(word, options, n=1)
    if not close and len(word) >= SHORTEST:
        close = [option for option in options if option.startswith(word)][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, where it is, and the way out."""

    why: str
    fix: str
    file: str = ""
    line: int | None = None
    column: str = ""
    value: object = None
    item: int | None = None

    def __str__(self) -> str:
        if self.file:
            place = [self.file if self.line is None else f"{self.file}:{self.line}"]
        else:
            place = [] if self.line is None else [f"row {self.line}"]
        if self.item is not None:
            place.append(f"item {self.item}")
        if self.column:
            place.append(f"{self._field()} {self.column!r}")
        if self.value is not None:
            place.append(f"value {quote(self.value)}")
        head = ", ".join(place)
        why = self.why if self.why.endswith("?") else f"{self.why}."
        return visible(f"{head}: {why} Fix: {self.fix}." if head else f"{why} Fix: {self.fix}.")

    def _field(self) -> str:
        if self.file.endswith(".toml"):
            return "key"
        return "field" if self.item is not None or self.file.endswith((".jsonl", ".xml")) else "column"

    def as_dict(self) -> Mapping[str, object]:
        """Return the problem with the keys that ``--json`` prints: file, line, column, value, why, fix."""
        value = None if self.value is None else str(self.value)
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "value": value,
            "why": self.why,
            "fix": self.fix,
        }


class InputError(ValueError):
    """Everything that is wrong with one input, found in one pass.

    Parameters
    ----------
    problems : iterable of Problem
        At least one problem.

    Attributes
    ----------
    problems : tuple of Problem
        All of them; the message shows the first twenty and counts the rest.

    Examples
    --------
    >>> raise InputError([Problem(why="0 data rows", fix="add rows", file="r.csv")])
    Traceback (most recent call last):
    ...
    labelvalue.problems.InputError: r.csv: 0 data rows. Fix: add rows.
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        lines = [_shortened(str(p)) for p in self.problems[:SHOWN]]
        more = len(self.problems) - SHOWN
        super().__init__("\n".join(lines + ([f"… and {more} more"] if more > 0 else [])))


def input_error(
    why: str, fix: str, *, file: str = "", line: int | None = None, column: str = "", value: object = None
) -> InputError:
    """Return the error of one problem."""
    return InputError([Problem(why=why, fix=fix, file=file, line=line, column=column, value=value)])


def _shortened(text: str) -> str:
    """A problem that quotes a file at length, without the middle of what is wrong and of the way out."""
    parts = text.rpartition(" Fix: ")
    half = LONGEST // 2
    return "".join(part if len(part) <= LONGEST else f"{part[:half]} … {part[-half:]}" for part in parts)


class StorageError(OSError):
    """A file of ours that cannot be written or must not be trusted (exit code 5).

    Parameters
    ----------
    message : str
        What is wrong with which file, and the way out.

    Examples
    --------
    >>> raise StorageError("fit.nc: checksum differs. Fix: make the fit again with 'labelvalue fit'.")
    Traceback (most recent call last):
    ...
    labelvalue.problems.StorageError: fit.nc: checksum differs. Fix: make the fit again with 'labelvalue fit'.
    """

    def __init__(self, message: str):
        super().__init__(visible(message))


class BusyError(StorageError):
    """A project folder that another process is writing (exit code 4).

    Parameters
    ----------
    message : str
        Which folder, and who is writing.

    Examples
    --------
    >>> raise BusyError("project: busy: refit by process 7 on host. Fix: wait for it to end.")
    Traceback (most recent call last):
    ...
    labelvalue.problems.BusyError: project: busy: refit by process 7 on host. Fix: wait for it to end.
    """
