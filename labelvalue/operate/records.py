"""A record of the ledger, and the digest that chains it to the one before."""

from __future__ import annotations

import dataclasses
import getpass
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from labelvalue.operate.identity import canonical

KINDS = (
    "project", "batch", "forecast", "score", "fit", "check", "advice", "decision", "note", "failure", "migration",
)  # fmt: skip
FIRST = "0" * 64
"""What stands where the first record has no predecessor."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One record of the ledger.

    Parameters
    ----------
    number : int
        Its place, from 1 without gaps; this, never the clock, is the order.
    time : str
        UTC, ISO 8601.
    kind : str
        One of :data:`KINDS`.
    content : mapping
        What was recorded; ``by`` says who.
    previous : str
        Digest of the record before.
    digest : str
        SHA-256 of all of the above.
    """

    number: int
    time: str
    kind: str
    content: Mapping[str, Any]
    previous: str
    digest: str

    def expected_digest(self) -> str:
        """Return the SHA-256 that the record must have.

        Returns
        -------
        str
            Hexadecimal.
        """
        return _digest(self.previous, self.number, self.time, self.kind, self.content)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain values.

        Returns
        -------
        dict
            One key a field.
        """
        return dataclasses.asdict(self)


def _digest(previous: str, number: int, time: str, kind: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical([previous, number, time, kind, content]).encode()).hexdigest()


def sealed(previous: str, number: int, time: datetime, kind: str, content: Mapping[str, Any]) -> Record:
    """Return a record that says who makes it, with its digest."""
    known = json.loads(canonical({"by": f"{_user()}@{platform.node()}", **content}))
    text = time.isoformat(timespec="seconds")
    return Record(number, text, kind, known, previous, _digest(previous, number, text, kind, known))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
