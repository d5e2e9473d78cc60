"""A project's folder: folders that appear whole or not at all, its parts, and which of its batches stand."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelvalue import names
from labelvalue.operate.store.configuration import FILE as CONFIGURATION, TEMPLATE, Configuration, read_configuration
from labelvalue.operate.store.identity import PATTERN, canonical, digest_file
from labelvalue.operate.store.ledger import Ledger, migrate
from labelvalue.operate.store.lock import HOLDER, LOCK, writing
from labelvalue.operate.store.records import Batch, Record
from labelvalue.problems import InputError, StorageError, input_error, quote
from labelvalue.reading import parse_json, read_text
from labelvalue.storage import write_whole

if TYPE_CHECKING:
    import xarray as xr

    from labelvalue.model.fitting.result import Fit


MANIFEST = "manifest.json"
MAKING = ".tmp-"  # how the name of a folder begins that is being made
CHAINS = ".chains-"  # and of one that holds the finished draws of a fit which is not there yet; its id follows
AGAIN = "Fix: restore the folder from a backup, or remove it and run 'labelvalue refit' again"


@contextlib.contextmanager
def new_folder(final: Path, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Give a folder to fill; when it is full, write its manifest, sync, and rename it into place."""
    making = final.with_name(MAKING + final.name)
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        yield making
        files = {path.name: _described(path) for path in sorted(making.iterdir())}
        write_whole(making / MANIFEST, canonical({**facts, "files": files}).encode())
        shutil.rmtree(final, ignore_errors=True)
        os.replace(making, final)
        _sync(final.parent)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{final}: cannot be written ({error.strerror or error}). Fix: free space.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def check_folder(folder: Path) -> dict[str, Any]:
    """Compare a folder with its manifest."""
    if folder.is_symlink():
        raise StorageError(f"{folder}: is a link. {AGAIN}.")
    try:
        manifest = parse_json(read_text(folder / MANIFEST, ours=True))
        files = dict(manifest["files"])
    except (StorageError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{folder / MANIFEST}: cannot be read. {AGAIN}.") from error
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted({*files, *there}):
        path = folder / name
        if name not in files:
            raise StorageError(f"{path}: is not in the manifest. {AGAIN}.")
        if path.is_symlink() or not path.is_file():
            raise StorageError(f"{path}: missing. {AGAIN}.")
        if _described(path) != files[name]:
            raise StorageError(f"{path}: checksum differs: the file was altered or cut off. {AGAIN}.")
    return manifest


def manifest_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's manifest, by which a record holds on to every file in it."""
    return digest_file(folder / MANIFEST)


def sweep(parent: Path) -> None:
    """Remove what processes that died have left: folders in the making, and files."""
    if not parent.is_dir():
        return
    for path in filter(is_leftover, parent.iterdir()):
        _remove(path)


def sweep_chains(parent: Path, but: Path | None = None) -> None:
    """Remove finished draws that no fit will go on from."""
    for path in parent.glob(f"{CHAINS}*"):
        if path != but or path.is_symlink():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a name is one under which we write what is renamed when it is whole."""
    return path.name.startswith(MAKING) or (path.name.startswith(".") and path.suffix == ".tmp")


def orphans(parent: Path, known: set[str]) -> list[str]:
    """Return the ids of whole folders that no record names."""
    return sorted(path.name for path in parent.iterdir() if PATTERN.fullmatch(path.name) and path.name not in known)


def _described(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path)}


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


LEDGER = "ledger.sqlite"
RUNS, FITS, REPORTS = "runs", "fits", "reports"
OURS = {CONFIGURATION, RUNS, FITS, REPORTS, LOCK, HOLDER}  # what an interrupted ``init`` may have left


def found(path: Path) -> None:
    """Make a project in an empty folder; the ledger comes last, and with it the folder is a project."""
    if (path / LEDGER).exists():
        raise wrong(path, "is a project already", "add runs with 'labelvalue add DIR RUNS', or name another folder")
    if path.exists() and (
        not path.is_dir() or not all(item.name in OURS or is_leftover(item) for item in path.iterdir())
    ):
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


def published(records: Sequence[Record]) -> Record | None:
    """Return the record of the published fit: the last that passed the gate."""
    passed = [record for record in records if record.kind == "fit" and record.content["published"]]
    return passed[-1] if passed else None


def scores_since_published(records: Sequence[Record]) -> list[Record]:
    """Return the scores of forecasts that came after the published fit."""
    last = published(records)
    return [r for r in records if r.kind == "score" and (last is None or r.number > last.number)]


def inside(folder: Path, name: str) -> Path:
    """Return a file that a configuration names, which must lie in the project's folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        why = "lies outside the project's folder"
        raise input_error(why, "copy it into the folder", file=CONFIGURATION, value=name)
    return path


def wrong(path: Path, why: str, fix: str) -> InputError:
    """Return the error that a folder is not what it should be."""
    return input_error(why, fix, file=str(path))


POSTERIOR_FILE = "posterior.nc"
LAYOUT, NEWEST = "schema", 1  # of a fit's folder, in its manifest; a newer one is refused


def check_fit(folder: Path) -> dict[str, Any]:
    """Check a fit's folder, and that its layout is one we know."""
    facts = check_folder(folder)
    if facts.get(LAYOUT, NEWEST) > NEWEST:
        why = f"has layout {facts[LAYOUT]}, and this version knows up to {NEWEST}"
        raise StorageError(f"{folder}: {why}. Fix: install the version that made it, or a newer one.")
    return facts


def load(fits: Path, record: Record) -> Fit:
    """Load a recorded fit, after checking every file of its folder against the record."""
    from labelvalue.model.fitting.result import load_fit  # takes a second to import

    folder = fits / record.content["fit"]
    check_fit(folder)
    if manifest_digest(folder) != record.content["manifest"]:
        raise StorageError(f"{folder}: is not the folder that record {record.number} names. Fix: restore it.")
    return load_fit(folder / POSTERIOR_FILE)


@dataclasses.dataclass(frozen=True)
class ProjectFolder:
    """A project folder that is only read."""

    folder: Path

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.folder / LEDGER)

    @property
    def configuration(self) -> Configuration:
        """What ``labelvalue.toml`` says."""
        return read_configuration(self.folder)

    def append(self, made_under: Configuration, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Record]:
        """Add records, after one of the settings that they were made under where these are new."""
        known, text = self.ledger.records("settings"), made_under.text
        same = bool(known) and known[-1].content["text"] == text
        return self.ledger.append(entries if same else [("settings", {"text": text}), *entries])

    @property
    def runs(self) -> xr.Dataset:
        """All batches that stand, in one runs table."""
        from labelvalue.operate.store.batches import joint_runs

        return joint_runs(self.folder / RUNS, current_batches(self.ledger.records("batch")))

    @property
    def published(self) -> Fit | None:
        """The published fit: the last that passed the gate; ``None`` before the first."""
        record = published(self.ledger.records("fit"))
        return None if record is None else load(self.folder / FITS, record)


def current_batches(records: Sequence[Record], kind: str = "batch") -> list[Batch]:
    """Return the batches that count, in their order: those that no later one replaces, at their first place."""
    made = (Batch.of(record) for record in records if record.kind == kind)
    return list({batch.name: batch for batch in made}.values())  # a dict keeps the place of the first


def check_trained(records: Sequence[Record], trained: Mapping[str, str]) -> None:
    """Refuse a learner that bears the name of another one whose runs stand: theirs would be one curve."""
    standing = {batch.number for batch in current_batches(records)}
    known = [record.content for record in records if record.number in standing]
    for learner, told in trained.items():
        for batch in reversed(known):
            before = batch.get(names.TRAINED, {}).get(learner, told)
            if before != told:
                why = (
                    f"another learner than in batch {quote(batch[names.BATCH])}, where it was {before}; now it is "
                    f"{told}. The runs of both would be one curve"
                )
                fix = (
                    "train the same one (a command takes it by --learner), or give the new one a name, and so a curve "
                    "of its own: {'name': model}"
                )
                raise input_error(why, fix, column=names.LEARNER, value=learner)


def brought(folder: Path, record: Record) -> Mapping[str, Any]:
    """Return the same of a batch by its record; of one of an older layout, by its file."""
    if names.LABELS in record.content and "learners" in record.content:
        return record.content
    from labelvalue.operate.store.batches import brought_by, read_stored  # tables take half a second to import

    batch = Batch.of(record)
    return brought_by(read_stored(folder / batch.file, batch.metric))


def unseen(records: Sequence[Record], fit: Record | None) -> list[Record]:
    """Return the records of the batches that stand and are not in a fit; of all of them where there is none."""
    known = set() if fit is None else {*fit.content["batches"]}
    numbers = {batch.number for batch in current_batches(records)} - known
    return [record for record in records if record.number in numbers]
