"""Finished rounds of draws, kept in a folder: sampling that is stopped, by whatever, goes on from them.

A round is one file of arrays with its SHA-256 beside it, written whole or not at all. Its name says what it is a round
of, so that draws of anything else are never taken for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from labelvalue.problems import StorageError
from labelvalue.storage import read_sealed, write_sealed

LIBRARIES = ("labelvalue", "pymc", "pytensor", "numba", "numpy", "scipy")
"""Packages another version of which may give other draws."""


@dataclasses.dataclass(frozen=True)
class KeptRounds:
    """The finished rounds of one attempt at sampling, in a folder; ``key`` says what they are rounds of."""

    folder: Path
    key: str

    def keep(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write one round down; where there is no room, sampling goes on and warns."""
        held = io.BytesIO()
        np.savez(held, allow_pickle=False, key=self._whole_key(), **arrays)
        try:
            write_sealed(self._path(number), held.getvalue())
        except StorageError as error:
            warnings.warn(f"finished draws are not kept: {error}", RuntimeWarning, stacklevel=2)

    def find(self, number: int) -> dict[str, np.ndarray] | None:
        """Return a round; ``None`` where it is not there, was altered, or is of something else."""
        try:
            with np.load(io.BytesIO(read_sealed(self._path(number), "")), allow_pickle=False) as found:
                arrays = dict(found)
            return arrays if arrays.pop("key").tobytes() == self._whole_key().tobytes() else None
        except (StorageError, OSError, ValueError, KeyError):
            return None

    def _whole_key(self) -> np.ndarray:
        return np.frombuffer(self.key.encode(), dtype=np.uint8)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.key[:32]}-{number}.npz"


@dataclasses.dataclass(frozen=True)
class ChainFolder:
    """A folder, for its owner alone, of finished draws of any number of fits; ``say`` is told what is used."""

    folder: Path
    say: Callable[[str], object] = lambda text: None

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder}: {error.strerror}. Fix: give another folder.") from error

    def rounds(self, density: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> KeptRounds:
        """Find out what sampling would give rounds of."""
        total = hashlib.sha256()
        total.update(json.dumps({name: version(name) for name in LIBRARIES}, sort_keys=True).encode())
        total.update(json.dumps(dict(settings), sort_keys=True).encode())
        for name, values in sorted(density.items()):
            total.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
        kept = KeptRounds(self.folder, total.hexdigest())
        if kept.find(0) is not None:
            self.say("going on from the draws that were finished before")
        return kept
