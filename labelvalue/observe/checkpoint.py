"""What a simulation has trained so far, in a folder: one small file per training, written whole or not at all.

A simulation that is stopped, by whatever, goes on from there. The folder holds what its simulation was, so that
results of another one are never taken for its own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.training import Key, Outcome, Task
from labelvalue.problems import InputError, Problem, StorageError
from labelvalue.reading import parse_json, read_text
from labelvalue.storage import write_whole

WHAT = "simulation.json"
"""What the folder is a checkpoint of."""
MOST_KEPT = 256 * 1024**2
"""Largest file in it, in bytes."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A folder of finished trainings.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are.
    """

    folder: Path

    @property
    def seed(self) -> int | None:
        """Seed of the simulation that the folder holds, ``None`` where it holds none yet."""
        return self._what().get("random_state")

    def claim(self, what: Mapping[str, Any]) -> None:
        """Write down what is simulated, or refuse a folder that holds something else."""
        known = self._what()
        changed = [name for name in what if name in known and known[name] != what[name]]
        if changed:
            why = f"holds another simulation: {', '.join(changed)} differ"
            fix = "give another folder, or remove it to begin anew"
            raise InputError([Problem(column="checkpoint", value=str(self.folder), why=why, fix=fix)])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder}: {error.strerror}. Fix: give another folder.") from error
        if not known:
            write_whole(self.folder / WHAT, json.dumps(dict(what), indent=1).encode())

    def _what(self) -> dict[str, Any]:
        path = self.folder / WHAT
        if not os.path.lexists(path):
            return {}
        text = read_text(path, MOST_KEPT, fix="remove the folder", ours=True)
        try:
            return dict(parse_json(text))
        except ValueError as error:
            raise StorageError(f"{path}: cannot be read ({error}). Fix: remove the folder.") from error

    def keep(self, outcome: Outcome) -> None:
        """Write a training down; what failed is not kept, and is tried again."""
        if outcome.failed or not self.folder.is_dir():  # a worker elsewhere does not see the folder
            return
        task = outcome.task
        content = {
            "key": list(task.key),
            "measures": [[*place, measure] for place, measure in outcome.measures.items()],
            "synthetic": dict(outcome.synthetic),
            "skipped": outcome.skipped,
            "seconds": outcome.seconds,
            names.MEASURED_AT: None if outcome.measured_at is None else outcome.measured_at.isoformat(),
            "rows": task.rows.tolist() if outcome.ends else None,
            "ends": list(outcome.ends),
            "wrong": None if task.wrong is None or not outcome.ends else np.flatnonzero(task.wrong).tolist(),
        }
        write_whole(self._path(task.key), json.dumps(content).encode())

    def find(self, task: Task) -> Outcome | None:
        """Return what a training gave; rows that a strategy chose are those that it chose then."""
        try:
            content = parse_json(read_text(self._path(task.key), MOST_KEPT, ours=True))
        except (StorageError, ValueError):  # not there, or spoilt by something else: it is trained again
            return None
        if content["rows"] is not None:
            rows = np.array(content["rows"], dtype=np.int64)
            wrong = None
            if content["wrong"] is not None:
                wrong = np.zeros(rows.size, dtype=bool)
                wrong[content["wrong"]] = True
            task = dataclasses.replace(task, rows=rows, wrong=wrong)
        moment = content[names.MEASURED_AT]
        return Outcome(
            task=task,
            measures={(suite, name): measure for suite, name, measure in content["measures"]},
            synthetic=content["synthetic"],
            skipped=content["skipped"],
            seconds=content["seconds"],
            measured_at=None if moment is None else dt.datetime.fromisoformat(moment),
            ends=tuple(content["ends"]),
        )

    def _path(self, key: Key) -> Path:
        return self.folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"


def digest(*tables: Any) -> str:
    """Return a digest of the content of tables, arrays and sparse matrices."""
    total = hashlib.sha256()
    for table in tables:
        if table is None:
            continue
        if isinstance(table, pd.DataFrame | pd.Series):
            columns = list(table.columns) if isinstance(table, pd.DataFrame) else []
            total.update(repr(columns).encode())
            total.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        elif hasattr(table, "tocsr"):
            sparse = table.tocsr()
            for part in (sparse.data, sparse.indices, sparse.indptr):
                total.update(np.ascontiguousarray(part).tobytes())
        else:
            array = np.asarray(table)
            flat = pd.Series(array.ravel()) if array.dtype.kind == "O" else None
            total.update(f"{array.shape} {array.dtype}".encode())
            total.update(
                np.ascontiguousarray(array).tobytes()
                if flat is None
                else pd.util.hash_pandas_object(flat.astype(str), index=False).to_numpy().tobytes()
            )
    return total.hexdigest()


def describe_learner(learner: Any) -> str:
    """Return a text that tells a learner from others: its settings, or the name of a function."""
    if hasattr(learner, "get_params"):
        text = learner.__repr__(N_CHAR_MAX=10**6) if hasattr(learner, "_repr_mimebundle_") else repr(learner)
    else:
        text = getattr(learner, "__qualname__", type(learner).__qualname__)
    return _ADDRESS.sub("", text)
