"""A record of the ledger, and the digest that chains it to the one before: of the very text that is stored."""

from __future__ import annotations

import dataclasses
import getpass
import hashlib
import hmac
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

from labelvalue import names
from labelvalue.operate.store.identity import PATTERN as ID, canonical, id_of
from labelvalue.problems import input_error
from labelvalue.reading import WHOLE_LIMIT

Fault = str | None  # what is not as it should be, after the way to it; ``None`` where all is well
Test = Callable[[object], Fault]

SHA = re.compile("[0-9a-f]{64}")
FILE = re.compile(r"[0-9a-f]{64}\.parquet")
"""A batch's file: named by its content, in the folder of runs, and nothing else ever becomes its path."""
BACKUP = re.compile(r"ledger\.sqlite\.schema-[0-9]{1,9}")


def _text(pattern: re.Pattern[str] | None = None) -> Test:
    def test(value: object) -> Fault:
        fits = isinstance(value, str) and (pattern is None or pattern.fullmatch(value))
        return None if fits else f" is not {'text' if pattern is None else 'of its pattern'}"

    return test


def _whole(value: object) -> Fault:
    return None if type(value) is int and abs(value) < WHOLE_LIMIT else " is not a whole number"


def _number(value: object) -> Fault:
    fits = value - value == 0.0 if type(value) is float else type(value) is int and abs(value) < WHOLE_LIMIT
    return None if fits else " is not a number"


def _inside(value: object) -> Fault:
    """A share that is neither 0 nor 1."""
    return None if type(value) is float and 0.0 < value < 1.0 else " is not a number between 0 and 1"


def _switch(value: object) -> Fault:
    return None if isinstance(value, bool) else " is not true or false"


def _any(value: object) -> Fault:
    return None


def _or_null(test: Test) -> Test:
    return lambda value: None if value is None else test(value)


def _word(*words: str) -> Test:
    return lambda value: None if value in words else f" is none of {', '.join(words)}"


def _either(*tests: Test) -> Test:
    return lambda value: None if any(test(value) is None for test in tests) else tests[0](value)


def _list(test: Test, count: int | None = None) -> Test:
    def each(value: object) -> Fault:
        if not isinstance(value, list) or (count is not None and len(value) != count):
            return f" is not a list{'' if count is None else f' of {count}'}"
        for place, item in enumerate(value):
            if fault := test(item):
                return f"[{place}]{fault}"
        return None

    return each


def _by_name(test: Test) -> Test:
    def each(value: object) -> Fault:
        if not isinstance(value, Mapping):
            return " is not a table"
        for name, item in value.items():
            if fault := test(item):
                return f".{name}{fault}"
        return None

    return each


def _table(**tests: Test) -> Test:
    """A table with these keys, and perhaps others; a key that ends in an underscore may be missing."""
    needed = [(name, test) for name, test in tests.items() if not name.endswith("_")]
    optional = [(name[:-1], test) for name, test in tests.items() if name.endswith("_")]

    def each(value: object) -> Fault:
        if not isinstance(value, dict):
            return " is not a table"
        for name, test in needed:
            if name not in value:
                return f".{name} is missing"
            if fault := test(value[name]):
                return f".{name}{fault}"
        for name, test in optional:
            if name in value and (fault := test(value[name])):
                return f".{name}{fault}"
        return None

    return each


def _by_word(key: str, **tables: Test) -> Test:
    """One of several tables, told by the word under a key."""

    def each(value: object) -> Fault:
        word = value.get(key) if isinstance(value, dict) else None
        return tables[word](value) if isinstance(word, str) and word in tables else f".{key} is unknown"

    return each


_TEXT, _SHA, _ID, _STATE = _text(), _text(SHA), _text(ID), _word(names.PASS, names.STOP, names.INCONCLUSIVE)
_LEARNER = _either(_TEXT, _list(_TEXT), _by_name(_number))  # one, the best of several, or shares
_MONEY = _table(mean=_number, mcse=_number, low=_number, high=_number)
_QUANTILES = _table(**dict.fromkeys(("0.05", "0.25", "0.5", "0.75", "0.95"), _number))
_CURVE = {names.SLICE: _TEXT, names.LEARNER: _TEXT, names.SUITE: _TEXT}
_SCORES = dict.fromkeys(
    (names.CRPS, names.INTERVAL_SCORE, names.WIDTH, names.COVERS_50, names.COVERS_90, names.BIAS, "low", "high"),
    _number,
)
_TRIGGER = _table(trigger=_TEXT, fired=_switch, value=_any, limit_=_number)
_JUDGED_BY = _table(
    fit=_or_null(_ID), fit_record=_or_null(_whole), scored=_list(_SHA), factor=_number, case_sha256=_or_null(_SHA)
)
_RULE = _table(rule=_TEXT, state=_STATE, limit=_number, labels_to_decide=_or_null(_whole), slice_=_TEXT)
_PROMISE = _table(promise=_TEXT, state=_STATE, probability=_number, needed_probability=_number)
_TESTED = _table(
    id=_TEXT,
    key=_TEXT,
    alternative=_any,
    advice=_TEXT,
    plan=_by_name(_whole),
    net_benefit=_or_null(_number),
    changes=_switch,
)
_ADVISED_BY = _table(
    plan=_table(max_labels=_or_null(_whole), lot=_whole),
    assumptions=_list(_table(id=_TEXT, key=_TEXT, alternative=_any)),
    latest_learners=_list(_TEXT),
    width_=_number,
    spent_=_or_null(_number),
    annotations_=_table(record=_whole, batches=_list(_TEXT), keys=_list(_TEXT)),
)
_MILESTONES = _table(
    now=_number,
    weights=_by_name(_number),
    labels_now=_by_name(_whole),
    learner=_LEARNER,
    suite=_TEXT,
    rows=_list(
        _table(
            step=_whole, labels=_whole, error=_number, low=_number, high=_number,
            go_if_gain=_or_null(_number), p_go=_or_null(_number),
        )
    ),
)  # fmt: skip
_ADVICE = {
    "fit": _ID,
    "inputs": _SHA,
    "case": _TEXT,
    "case_sha256": _SHA,
    "settings": _ADVISED_BY,
    "code": _SHA,
    "advice": _TEXT,
    "plan": _by_name(_whole),
    "reasons": _list(_TEXT),
    "reservation_": _TEXT,
    "guardrails": _list(_PROMISE),
    "state": _STATE,
    "assumptions": _list(_TESTED),
    names.NET_BENEFIT: _MONEY,
    names.COST: _MONEY,
    names.GAIN: _MONEY,
    names.UNIT: _TEXT,
    "total": _whole,
    "learner": _LEARNER,
    "milestones_": _or_null(_MILESTONES),
}
_FILED = {"batch": _TEXT, "content": _SHA, "file": _text(FILE), "supersedes": _or_null(_whole), "rows": _whole}
SHAPES: Mapping[str, Test] = {
    "project": _table(folder=_TEXT),
    "settings": _table(text=_TEXT),
    "batch": _table(
        **_FILED,
        counts=_switch,
        metric=_TEXT,
        direction=_word("higher", "lower"),
        bounds=_list(_or_null(_number), 2),
        source=_TEXT,
        cost_=_or_null(_number),
        learners_=_list(_TEXT),
        labels_=_by_name(_whole),
        protocol_=_or_null(_TEXT),
        trained_=_by_name(_TEXT),
    ),
    "forecast": _by_word(
        "of",
        batch=_table(
            fit=_ID,
            batch=_TEXT,
            content=_SHA,
            cells=_list(_table(**_CURVE, labels=_number, quantiles=_QUANTILES, draws=_list(_number), frozen_=_whole)),
        ),
        plan=_table(
            fit=_ID,
            cells=_list(
                _table(**_CURVE, labels=_number, other_labels=_number, quantiles=_QUANTILES, draws=_list(_number))
            ),
        ),
        gain=_table(
            fit=_ID,
            factor=_number,
            cells=_list(_table(budget=_whole, quantiles=_QUANTILES, widened=_QUANTILES, draws=_list(_number))),
        ),
    ),
    "score": _table(
        fit=_ID,
        batch=_TEXT,
        content=_SHA,
        surprise=_number,
        factor=_number,
        cells=_list(
            _table(
                **_CURVE,
                **_SCORES,
                labels=_number,
                truth=_number,
                truth_stderr=_number,
                rank=_inside,
                promised_=_number,
                delivered_=_number,
                bias_money_=_number,
                crps_repeated_=_number,
                widened=_table(**_SCORES),
            )
        ),
    ),
    "fit": _table(
        fit=_ID,
        key=_SHA,
        manifest=_SHA,
        draws_sha256=_SHA,
        verdict=_word("ok", "flagged", "refused"),
        reasons=_list(_TEXT),
        published=_switch,
        adopted=_switch,
        batches=_list(_whole),
        labels_now=_by_name(_whole),
        learners=_list(_TEXT),
        inputs=_table(runs=_SHA, model=_SHA, fit=_SHA, code=_SHA),
        triggers=_list(_TRIGGER),
        backtest_=_text(),
        discount_=_by_name(_number),
        model_=_table(name=_TEXT),
        trigger_inputs_=_JUDGED_BY,
    ),
    "check": _by_word(
        "of",
        triggers=_table(batch=_TEXT, triggers=_list(_TRIGGER), inputs_=_JUDGED_BY),
        guardrails=_table(fit=_ID, rules=_SHA, guardrails=_list(_RULE), state=_STATE),
        learner=_table(
            fit=_ID,
            learner=_TEXT,
            before=_list(_TEXT),
            labels=_whole,
            carry_over_=_or_null(_table(mean=_number, low=_number, high=_number, prior=_number)),
            slices=_list(_table(**{"slice": _TEXT, "with": _number, "without": _number, "share": _number})),
        ),
        reproduction=_table(fit=_ID, same=_switch),
        milestone=_table(
            fit=_ID,
            batch=_TEXT,
            step=_whole,
            steps=_whole,
            labels=_whole,
            error=_number,
            low=_number,
            high=_number,
            gain=_number,
            inside=_switch,
            go=_or_null(_switch),
        ),
    ),
    "advice": _table(**_ADVICE),
    "decision": _table(
        fit=_ID,
        fit_record=_whole,
        verdict=_TEXT,
        approver=_TEXT,
        comment=_TEXT,
        advice_record_=_whole,
        advice_=_TEXT,
        plan_=_by_name(_whole),
        state_=_STATE,
    ),
    "annotations": _table(
        **_FILED,
        told=_TEXT,
        notes=_list(_TEXT),
    ),
    "note": _table(of=_word("slice", "batch"), name=_TEXT, text=_TEXT, author=_TEXT),
    "page": _table(fit=_ID, sha256=_SHA),
    "failure": _table(why=_TEXT, key_=_SHA, holder_=_by_name(_any)),
    "migration": _table(**{"from": _whole, "to": _whole, "backup": _text(BACKUP)}),
}  # by kind; of what records of older layouts lack, nothing is asked


def misshapen(kind: str, content: object) -> Fault:
    """Say what of a record's content is not as records of its kind are."""
    if kind not in SHAPES:
        return f"kind {kind!r} is unknown"
    fault = _table(by=_TEXT)(content) or SHAPES[kind](content)
    return None if fault is None else f"content{fault}"


def astray(records: Sequence[Record], *, whole: bool) -> tuple[Record, str] | None:
    """Find the first record that names a record which is not there before it."""
    named_kinds = ("batch", "annotations", "fit", "advice")
    kinds = {record.kind for record in records} if not whole else {*named_kinds}
    before: dict[str, set[int]] = {kind: set() for kind in named_kinds}
    fits: set[str] = set()
    published: set[str] = set()
    for record in records:
        content = record.content
        named = [(kind, number) for kind, number in _numbers_named(record.kind, content) if kind in kinds]
        for kind, number in named:
            if number not in before[kind]:
                return record, f"{kind} {number}"
        name = content.get("fit") if record.kind not in ("fit", "failure") else None
        needed = published if record.kind in ("advice", "decision", "page") else fits
        if isinstance(name, str) and "fit" in kinds and name not in needed:
            return record, f"fit {name}"
        if record.kind == "fit":
            if id_of(content["key"]) != content["fit"]:
                return record, f"fit {content['fit']}, which is not the id of its key"
            fits.add(content["fit"])
            published |= {content["fit"]} if content["published"] else set()
        if record.kind in before:
            before[record.kind].add(record.number)
    return None


def _numbers_named(kind: str, content: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The kind and number of each record that one names by its number."""
    if kind in ("batch", "annotations"):
        return [] if content["supersedes"] is None else [(kind, content["supersedes"])]
    if kind == "fit":
        return [("batch", number) for number in content["batches"]]
    if kind == "decision":
        advised = content.get("advice_record")
        return [("fit", content["fit_record"]), *([] if advised is None else [("advice", advised)])]
    return []


KINDS = tuple(SHAPES)
FIRST = "0" * 64  # what stands where the first record has no predecessor
KEY = "LABELVALUE_LEDGER_KEY"
"""Variable of the environment: a secret without which digests of a keyed ledger can be neither made nor checked."""
KEYED = "keyed"  # in the first record of a ledger whose digests need the key
SHORTEST_KEY = 16


@dataclasses.dataclass(frozen=True)
class Record:
    """One record: by its number from 1 without gaps, never by its time, in order; ``by`` in its content says who.

    Its digest is the SHA-256 of all that stands before it, HMAC-SHA256 where there is a key.
    """

    number: int
    time: str
    kind: str
    content: Mapping[str, Any]
    previous: str
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return dataclasses.asdict(self)


def ledger_key() -> bytes | None:
    """Return the key of ledgers, where the environment gives one."""
    given = os.environ.get(KEY, "").encode(errors="surrogateescape")
    if given and len(given) < SHORTEST_KEY:
        why = f"{len(given)} bytes are no secret"
        raise input_error(why, f"give {SHORTEST_KEY} bytes or more, such as 32 random ones", column=KEY)
    return given or None


def digest_of_text(previous: str, number: int, time: str, kind: str, text: str, key: bytes | None = None) -> str:
    """Return the digest of a record from its content as it is stored, letter by letter."""
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


CONTENT = "content"  # SHA-256 of a batch's runs as canonical text: what makes two batches the same
BATCH_FILE = "file"
ANNOTATIONS, TOLD, NOTED = "annotations", "told", "notes"  # a kind of records; what they tell a case, as TOML, or not
SUPERSEDES = "supersedes"  # number of the record that a batch replaces; null where it replaces none
COUNTS = "counts"  # whether runs are counts, which need no metric to be read
KNOWN_METRICS = (names.METRIC, names.DIRECTION, names.BOUNDS, COUNTS)


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch in the ledger: its record's number, its id, its content and the file that holds it."""

    number: int
    name: str
    content: str
    file: str
    metric: Mapping[str, Any]

    @classmethod
    def of(cls, record: Record) -> Batch:
        """Read a batch off its record."""
        known = record.content
        metric = {key: known[key] for key in KNOWN_METRICS if key in known}  # annotations have none
        return cls(record.number, known[names.BATCH], known[CONTENT], known[BATCH_FILE], metric)
