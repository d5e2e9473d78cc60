"""What makes two inputs the same: canonical text, digests, and ids made from them."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from labelvalue.reading import open_regular

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letter that is taken for a digit
LENGTH = 26
PATTERN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")  # what an id looks like; nothing else ever becomes the name of a folder

CODE = ("labelvalue", "labelvalue_models")  # packages whose source decides what a fit is
LIBRARIES = ("labelvalue", "numba", "pymc", "pytensor", "nutpie", "numpy", "scipy", "xarray")
"""Packages whose version may change draws."""


def canonical(value: object) -> str:
    """Return a plain value as JSON with one spelling: keys sorted, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """Return the SHA-256 of a plain value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def id_of(digest: str) -> str:
    """Return the first 130 bits of a SHA-256 as an id of 26 characters."""
    number = int(digest, 16) >> (256 - 5 * LENGTH)
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(LENGTH)))


@functools.cache
def code_version() -> dict[str, object]:
    """Return versions of the libraries that shape draws, and a digest of our source and priors, once a process."""
    return {"libraries": {name: version(name) for name in LIBRARIES}, "source": source_digest()}


def source_digest() -> str:
    """Return the SHA-256 of what fits are made with: the rooms up to ``model``, the models, and their priors."""
    found: dict[str, str] = {}
    for package in CODE:
        root = files(package)
        rooms = [root / "observe", root / "model"] if package == CODE[0] else [root]
        for room in rooms:
            _digest_sources(room, f"{package}/{room.name}", found)
    return digest_of(found)


@functools.cache
def advice_digest() -> str:
    """Return the SHA-256 of what turns a fit into advice: the rooms ``forecast`` and ``decide``."""
    found: dict[str, str] = {}
    for room in ("forecast", "decisions"):
        _digest_sources(files(CODE[0]) / room, f"{CODE[0]}/{room}", found)
    return digest_of(found)


def _digest_sources(folder: Traversable, name: str, found: dict[str, str]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            _digest_sources(item, f"{name}/{item.name}", found)
        elif item.name.endswith((".py", ".toml")):
            found[f"{name}/{item.name}"] = hashlib.sha256(item.read_bytes()).hexdigest()


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return the keys whose values differ, sorted; a key that only one has differs."""
    missing = object()
    return sorted(key for key in {*before, *after} if before.get(key, missing) != after.get(key, missing))


MOST_BYTES = 2**40  # largest file of ours: what a fit could hold that no memory does


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of what a file holds, or will."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file; one that is not there, or no file, is a :class:`StorageError`."""
    with open_regular(path, MOST_BYTES, fix="restore it from a backup", ours=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
