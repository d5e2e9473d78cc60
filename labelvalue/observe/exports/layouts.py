"""Which tool's export a record looks like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def closest_layout(keys: Iterable[str], layouts: Mapping[str, frozenset[str]]) -> str:
    """Return the name of the layout that keys fit best."""
    found = set(keys)
    scores = {}
    for name, known in layouts.items():
        ends = tuple(key for key in known if key.startswith("."))
        plain = known - {*ends}
        told = any(key.endswith(ends) for key in found) if ends else False
        scores[name] = 1.0 + told if told else len(found & plain) / len(plain)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.3 else "none"
