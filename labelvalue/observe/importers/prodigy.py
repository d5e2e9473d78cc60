"""Prodigy: JSONL, one answer a line."""

import hashlib
import itertools
import re
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from labelvalue.observe.exports.judgements import CHOICE, GAPS, OTHER, SPANS, Collector, all_texts, as_text, joined
from labelvalue.observe.exports.streams import json_lines, open_export

EXPORT = "Prodigy JSONL export"
LAYOUTS = {"Prodigy": frozenset({"_input_hash", "_task_hash", "answer", "_session_id", "_view_id"})}
SHORTEST_GAP, LONGEST_GAP = 1, 300
"""Seconds between two answers of one annotator that are taken for the time of the second."""
A_START = re.compile(r"(.*-)?\d{4}-\d{2}-\d{2}[ _T]\d{2}[-:]\d{2}[-:]\d{2}")
"""What stands for an annotator who was not named."""


def read(path: Path, into: Collector) -> None:
    """Read an export."""
    answers = _Answers()
    with open_export(path) as stream:
        for line, record in json_lines(stream, path.name):
            if not isinstance(record, Mapping) or "_input_hash" not in record or "answer" not in record:
                into.refuse(EXPORT, record)
            _answer(line, record, path.name, answers, into)
    _gaps(answers, into)


class _Answers:
    """Answers so far: which there were, and when each annotator gave one, with its place among what is kept."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.stamps: dict[str, tuple[array, array]] = {}

    def is_new(self, *key: str) -> bool:
        """Tell whether an answer was not met before; a digest takes less room than three texts."""
        count = len(self.seen)
        self.seen.add(hashlib.blake2b("\0".join(key).encode(errors="surrogatepass"), digest_size=15).digest())
        return len(self.seen) > count

    def at(self, who: str, stamp: float, place: int) -> None:
        times, places = self.stamps.setdefault(who, (array("d"), array("q")))
        times.append(stamp)
        places.append(place)


def _answer(line: int, record: Mapping[str, Any], source: str, answers: _Answers, into: Collector) -> None:
    who = as_text(record.get("_annotator_id")) or as_text(record.get("_session_id")) or ""
    session = as_text(record.get("_session_id")) or ""
    task, stamp = as_text(record.get("_task_hash")) or f"line {line}", as_text(record.get("_timestamp"))
    if not answers.is_new(task, who, stamp or f"line {line}"):
        into.leave_out("duplicate")
        return
    time = _time(line, stamp, into)
    label, kind, left_out = _label(record)
    place = -1
    if left_out:
        into.leave_out(left_out)
    else:
        anonymous = A_START.fullmatch(who) is not None
        if anonymous:
            into.note("annotators without a name: label noise between them is not estimated")
        place = len(into.kept)
        into.add(
            record,
            as_text(record.get("_input_hash")) or "",
            {"line": line},
            source_id=f"{task}/{into.who(session or who)}" + (f"/{stamp}" if stamp else ""),
            label=label,
            kind=kind,
            annotator="" if anonymous else into.who(who),
            time=time,
            source=source,
            question=_question(record),
        )
    if stamp is not None and time is not None:
        answers.at(who, float(stamp), place)


def _time(line: int, stamp: str | None, into: Collector) -> datetime | None:
    if stamp is None:
        return None
    try:
        return datetime.fromtimestamp(int(float(stamp)), UTC)
    except (ValueError, OverflowError, OSError):
        into.wrong("not a time in Unix seconds", "export again", line=line, field="_timestamp", value=stamp)
        return None


def _question(record: Mapping[str, Any]) -> str:
    """The label that a yes/no question is about; empty for other kinds."""
    chosen = any(isinstance(record.get(key), list) for key in ("accept", "spans"))
    return "" if chosen else as_text(record.get("label")) or ""


def _label(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Label, kind, and why the answer is left out (empty where it is kept)."""
    answer = as_text(record.get("answer")) or ""
    if answer == "ignore":
        return "", OTHER, "ignored"
    if answer not in ("accept", "reject"):
        return "", OTHER, "answered otherwise"
    choices, spans, label = record.get("accept"), record.get("spans"), as_text(record.get("label"))
    if isinstance(choices, list):
        if answer == "reject" or not choices:
            return "", CHOICE, "rejected" if answer == "reject" else "empty"
        texts = all_texts(choices)
        return ("", OTHER, "") if texts is None else (joined(texts), CHOICE, "")
    if isinstance(spans, list) and (label is None or spans):
        if answer == "reject":
            return "", SPANS, "rejected"
        found = all_texts(s.get("label", "") if isinstance(s, Mapping) else None for s in spans)
        return ("", OTHER, "") if found is None else (joined(found) if found else "", SPANS, "")
    if label is not None:
        return label if answer == "accept" else f"not {label}", CHOICE, ""
    return "", OTHER, "rejected" if answer == "reject" else ""


def _gaps(answers: _Answers, into: Collector) -> None:
    """Seconds from the time that passed since the same annotator's answer before."""
    derived = False
    for times, places in answers.stamps.values():
        order = np.argsort(np.frombuffer(times), kind="stable").tolist()
        for before, now in itertools.pairwise(order):
            gap, place = times[now] - times[before], places[now]
            if place < 0:
                continue
            if SHORTEST_GAP <= gap <= LONGEST_GAP:
                into.kept.took(place, gap, GAPS)
                derived = True
            else:
                into.leave_out(f"gaps outside {SHORTEST_GAP} to {LONGEST_GAP} s, labels kept")
    if derived:
        into.note("seconds are derived from the gaps between an annotator's answers")
