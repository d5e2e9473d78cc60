"""What lies where in a project's folder, how a project begins, and under which settings it was when."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelvalue.operate.configuration import FILE as CONFIGURATION, TEMPLATE, Configuration, read_configuration
from labelvalue.operate.folders import is_leftover, sweep
from labelvalue.operate.ledger import Ledger
from labelvalue.operate.lock import HOLDER, LOCK, writing
from labelvalue.operate.migration import migrate
from labelvalue.operate.records import Record
from labelvalue.problems import InputError, Problem, StorageError
from labelvalue.storage import write_whole

LEDGER = "ledger.sqlite"
RUNS, FITS, REPORTS = "runs", "fits", "reports"
OURS = {CONFIGURATION, RUNS, FITS, REPORTS, LOCK, HOLDER}
"""What an interrupted ``init`` may have left."""


def found(path: Path) -> None:
    """Make a project in an empty folder; the ledger comes last, and with it the folder is a project."""
    if (path / LEDGER).exists():
        raise wrong(path, "is a project already", "add runs with 'labelvalue add DIR RUNS', or name another folder")
    if path.exists() and (not path.is_dir() or not all(map(_is_ours, path.iterdir()))):
        raise wrong(path, "folder is not empty", "name another folder")
    check_links(path)
    try:
        for name in (RUNS, FITS, REPORTS):
            (path / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Fix: name another folder, or free permissions.") from error
    with writing(path, "init"):
        sweep(path)
        if not (path / CONFIGURATION).is_file():
            write_whole(path / CONFIGURATION, TEMPLATE.encode())
        read_configuration(path)
        Ledger.create(path / LEDGER, [("project", {"folder": path.name})])


def _is_ours(item: Path) -> bool:
    return item.name in OURS or is_leftover(item)


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Hold a project's lock, and tidy up after a holder that died."""
    check_links(folder)
    with writing(folder, what) as dead:
        for place in (folder, *(folder / name for name in (RUNS, FITS, REPORTS))):
            sweep(place)
        migrate(Ledger(folder / LEDGER))
        if dead is not None:
            why = "abandoned: the process died, or could not write"
            Ledger(folder / LEDGER).append([("failure", {"why": why, "holder": dict(dead)})])
        yield


def check_links(folder: Path) -> None:
    """Raise :class:`StorageError` where a part of a project is a link: what lies elsewhere is none of its own."""
    for name in (LEDGER, RUNS, FITS, REPORTS, LOCK, HOLDER):
        if (folder / name).is_symlink():
            raise StorageError(f"{folder / name}: is a link. Fix: put what it leads to in its place.")


def in_force(
    ledger: Ledger, configuration: Configuration, entries: Sequence[tuple[str, Mapping[str, Any]]]
) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Return records to be added, after one of the settings that they were made under where these are new."""
    known = ledger.records("settings")
    if known and known[-1].content["text"] == configuration.text:
        return entries
    return [("settings", {"text": configuration.text}), *entries]


def published(records: Sequence[Record]) -> Record | None:
    """Return the record of the published fit: the last that passed the gate."""
    passed = [record for record in records if record.kind == "fit" and record.content["published"]]
    return passed[-1] if passed else None


def inside(folder: Path, name: str) -> Path:
    """Return a file that a configuration names, which must lie in the project's folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        why = "lies outside the project's folder"
        raise InputError([Problem(file=CONFIGURATION, value=name, why=why, fix="copy it into the folder")])
    return path


def wrong(path: Path, why: str, fix: str) -> InputError:
    """Return the error that a folder is not what it should be."""
    return InputError([Problem(file=str(path), why=why, fix=fix)])
