"""A record of the ledger, and the digest that chains it to the one before: of the very text that is stored."""

from __future__ import annotations

import dataclasses
import getpass
import hashlib
import hmac
import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

from labelvalue.operate.identity import canonical
from labelvalue.operate.shapes import SHAPES
from labelvalue.problems import InputError, Problem

KINDS = tuple(SHAPES)
FIRST = "0" * 64
"""What stands where the first record has no predecessor."""
KEY = "LABELVALUE_LEDGER_KEY"
"""Variable of the environment: a secret without which digests of a keyed ledger can be neither made nor checked."""
KEYED = "keyed"
"""In the first record of a ledger whose digests need the key."""
SHORTEST_KEY = 16


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
        SHA-256 of all of the above, HMAC-SHA256 where there is a key.
    """

    number: int
    time: str
    kind: str
    content: Mapping[str, Any]
    previous: str
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain values.

        Returns
        -------
        dict
            One key a field.
        """
        return dataclasses.asdict(self)


def ledger_key() -> bytes | None:
    """Return the key of ledgers, where the environment gives one.

    Returns
    -------
    bytes or None
        The value of :data:`KEY`.

    Raises
    ------
    InputError
        If it is too short to be a secret.

    Examples
    --------
    >>> ledger_key() is None or len(ledger_key()) >= SHORTEST_KEY
    True
    """
    given = os.environ.get(KEY, "").encode(errors="surrogateescape")
    if given and len(given) < SHORTEST_KEY:
        why = f"{len(given)} bytes are no secret"
        raise InputError(
            [Problem(column=KEY, why=why, fix=f"give {SHORTEST_KEY} bytes or more, such as 32 random ones")]
        )
    return given or None


def digest_of_text(previous: str, number: int, time: str, kind: str, text: str, key: bytes | None = None) -> str:
    """Return the digest of a record from its content as it is stored, letter by letter.

    Parameters
    ----------
    previous, number, time, kind
        As of :class:`Record`.
    text : str
        The content as JSON.
    key : bytes, optional
        From :func:`ledger_key`; without one anybody can compute it.

    Returns
    -------
    str
        Hexadecimal.
    """
    said = f'["{previous}",{number},{encode_basestring(time)},{encode_basestring(kind)},{text}]'.encode()
    return hashlib.sha256(said).hexdigest() if key is None else hmac.digest(key, said, "sha256").hex()


def sealed(
    previous: str, number: int, time: datetime, kind: str, content: Mapping[str, Any], key: bytes | None = None
) -> Record:
    """Return a record that says who makes it, with its digest; the first says whether there is a key."""
    keyed = {KEYED: True} if key is not None and number == 1 else {}
    text = canonical({"by": f"{_user()}@{platform.node()}", **content, **keyed})
    moment = time.isoformat(timespec="seconds")
    digest = digest_of_text(previous, number, moment, kind, text, key)
    return Record(number, moment, kind, json.loads(text), previous, digest)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
