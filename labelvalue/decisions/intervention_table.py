"""Interventions as a case states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import forecast
from labelvalue.checks import Checks
from labelvalue.forecast import Intervention
from labelvalue.forecast.intervention import KINDS

CLASSES: dict[str, type[Any]] = {word: getattr(forecast, name) for name, word in KINDS.items()}
"""Classes of interventions by their kinds."""


def interventions_of(checks: Checks, key: str, given: Any) -> tuple[Intervention, ...]:
    """Make interventions from what a case says.

    Parameters
    ----------
    checks : Checks
        Collects problems.
    key : str
        Where they stand.
    given : object
        A list of interventions, or of mappings with ``kind`` (``guideline``, ``relabel``, ``consensus``, …) and its
        fields.

    Returns
    -------
    tuple of Intervention

    Examples
    --------
    >>> interventions_of(Checks(), "interventions", [{"kind": "consensus", "votes": 3}])[0].votes
    3
    """
    if not isinstance(given, (list, tuple)):
        checks.wrong(key, "expected a list of tables", f"write it as tables [[{key}]]", given)
        return ()
    made: list[Intervention] = []
    for place, one in enumerate(given):
        at = f"{key}[{place}]"
        if isinstance(one, Intervention):
            made.append(one)
        elif not isinstance(one, Mapping):
            checks.wrong(at, "expected a table", f"write it as a table [[{key}]]", one)
        elif not isinstance(one.get("kind"), str) or one["kind"] not in CLASSES:
            checks.text(f"{at}.kind", one.get("kind"), CLASSES)
        else:
            part = checks.section(at, CLASSES[one["kind"]], {k: v for k, v in one.items() if k != "kind"})
            made += [] if part is None else [part]
    named = [one.name for one in made]
    for name in sorted({name for name in named if named.count(name) > 1}):
        checks.wrong(key, f"two are called {name!r}", "give one of them another name")
    return tuple(made)
