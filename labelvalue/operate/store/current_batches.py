"""Which batches of runs stand, and what their records say of them: no file is opened where a record says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelvalue import names
from labelvalue.operate.store.records import ANNOTATIONS, BATCH_FILE, CONTENT, Batch, Record
from labelvalue.problems import input_error, quote


def current_batches(records: Sequence[Record]) -> list[Batch]:
    """Return the batches that count, in their order: those that no later one replaces, at their first place."""
    place: dict[str, Batch] = {}
    for record in records:
        if record.kind == "batch":
            batch = Batch.of(record)
            place[batch.name] = batch  # a dict keeps the place of the first
    return list(place.values())


def current_annotations(records: Sequence[Record]) -> list[Batch]:
    """Return the batches of annotations that count, in their order, as :func:`current_batches` those of runs."""
    place: dict[str, Batch] = {}
    for record in records:
        if record.kind == ANNOTATIONS:
            told = record.content
            place[told[names.BATCH]] = Batch(record.number, told[names.BATCH], told[CONTENT], told[BATCH_FILE], {})
    return list(place.values())


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
