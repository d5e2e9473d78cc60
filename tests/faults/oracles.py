"""What a command that accepts an input should have understood of it."""

import contextlib
import csv
import dataclasses
import io
import json
import math
import re
import sqlite3
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.faults.commands import Case, Ran, put, run
from tests.faults.mutators import chained

UNGUARD = re.compile(r"^'(?=[=+\-@\t\r])")
"""The apostrophe before what a spreadsheet would take for a formula: no part of a text."""


class Unreadable(Exception):
    """A strict reader refuses what was given."""


def strict_rows(content: bytes, separators: str = ",;\t") -> list[dict[str, str]]:
    """Rows of separated text as Python's own module reads them strictly."""
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(str(error)) from None
    why = ""
    for separator in separators:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
        except csv.Error as error:
            why = str(error)
            continue
        header = [name.strip() for name in rows[0]] if rows else []
        if len(set(header)) < len(header):
            why = f"a header twice: {header}"
        elif uneven := [row for row in rows if len(row) != len(header)]:
            why = f"{len(uneven[0])} cells under {len(header)} headers: {uneven[0]}"
        elif len(header) > 1:
            return [dict(zip(header, row, strict=True)) for row in rows[1:]]
    raise Unreadable(why)


def told(rows: Iterable[Mapping[str, Any]], *columns: str) -> Counter:
    """Rows as counted tuples, numbers as numbers."""

    def plain(value: Any) -> Any:
        text = UNGUARD.sub("", str(value)).strip()
        with contextlib.suppress(ValueError):
            number = float(text.replace(",", "."))
            return text.lower() if math.isnan(number) else number
        return text

    return Counter(tuple(plain(row.get(name, "")) for name in columns) for row in rows)


def _unlike(expected: Counter, found: Counter) -> str:
    if expected == found:
        return ""
    return f"expected {list(expected - found)[:3]}, found {list(found - expected)[:3]}"


def as_judged(case: Case, ran: Ran) -> str:
    """Items, labels and slices of a table of judgements are those that a strict reader finds."""
    rows = [row for row in strict_rows(case.given) if row.get("label", "x").strip()]
    renamed = [{"item": row.get("item"), "label": row.get("label", ""), "slice": row.get("c")} for row in rows]
    return _unlike(told(renamed, "item", "label", "slice"), told(_written(), "item", "label", "slice"))


def as_added(case: Case, ran: Ran) -> str:
    """What stood in our table stands there still."""
    old = told(strict_rows(case.given), "item", "label", "slice", "annotator")
    lost = set(old) - set(told(_written(), "item", "label", "slice", "annotator"))
    told_of = "told a judgement again" in ran.out
    return f"lost {list(lost)[:3]}" if lost and not told_of else ""


def _written() -> list[dict[str, str]]:
    return strict_rows(Path("out.csv").read_bytes())


def as_runs(case: Case, ran: Ran) -> str:
    """Runs are those that a strict reader finds."""
    measured = ("value", "stderr") if "--metric" in case.seed.command else ("errors", "trials")
    columns = ("slice", "labels", *measured, "replicate")
    table = ran.value.to_dataframe().reset_index().to_dict("records")
    rows = strict_rows(case.given)
    empty = ("", "NA", "N/A", "NaN", "null", "None", "<NA>", "NaT")  # a note says how many were read as 0
    rows = [row | {"replicate": 0 if row.get("replicate", "").strip() in empty else row["replicate"]} for row in rows]
    return _unlike(Counter(set(told(rows, *columns))), Counter(set(told(table, *columns))))


def as_dump(case: Case, ran: Ran) -> str:
    """Runs of a tracker are those of its finished rows."""
    rows = [row for row in strict_rows(case.given) if row.get("status", row.get("State", "")).lower() == "finished"]
    bare = [{key.removeprefix("params.").removeprefix("metrics."): row[key] for key in row} for row in rows]
    measured = [row for row in bare if row.get("errors") not in ("", "None", "nan", "NaN", "<NA>")]
    columns = ("slice", "labels", "errors", "trials")
    return _unlike(told(measured, *columns), told(_written(), *columns))


def as_strict(case: Case, ran: Ran) -> str:
    """A strict reader reads it at all."""
    strict_rows(case.given)
    return ""


def as_data(case: Case, ran: Ran) -> str:
    """The table that models would be trained on has the rows that a strict reader finds."""
    _, target, slices = ran.value
    found = [{"y": y, "c": c} for y, c in zip(target, slices, strict=True)]
    return _unlike(told(strict_rows(case.given), "y", "c"), told(found, "y", "c"))


def as_texts(case: Case, ran: Ran) -> str:
    """Labels stand in the export, which a strict reader reads; no key is there twice."""
    try:
        text = case.given.decode("utf-8-sig")
        parts = [part for part in text.split("\n") if part.strip()] if case.seed.kind == "jsonl" else [text]
        strict = {"object_pairs_hook": _pairs, "parse_float": str, "parse_int": str, "parse_constant": _never}
        texts = {leaf.strip() for part in parts for leaf in _texts(json.loads(part, **strict))}
    except ValueError as error:
        raise Unreadable(str(error)) from None
    found = {label for row in _written() for label in _labels(row["label"])} - {""}
    strange = {UNGUARD.sub("", label).removeprefix("not ").strip() for label in found} - texts
    return f"labels from nowhere: {sorted(strange)[:3]}" if strange else ""


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(found)) < len(found):
        raise Unreadable(f"a key twice: {[key for key, _ in found]}")
    return dict(found)


def _never(name: str) -> None:
    raise Unreadable(f"{name} is no JSON")


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, (dict, list)):
        for inside in node.values() if isinstance(node, dict) else node:
            yield from _texts(inside)
    else:
        yield str(node).lower() if isinstance(node, bool) else str(node)


def _labels(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return [str(one) for one in found] if isinstance(found, list) else [text]


def as_arriving(case: Case, ran: Ran) -> str:
    """Every number and text of a settings file is in what was made of it."""
    try:
        given = tomllib.loads(case.given.decode("utf-8"))
    except ValueError as error:
        raise Unreadable(str(error)) from None
    made = {repr(leaf) for leaf in _leaves(ran.value)}
    lost = [leaf for leaf in _leaves(given) if repr(leaf) not in made]
    return f"did not arrive: {lost[:3]}" if lost else ""


KINDS = {"relabel", "noise", "time", "domain", "missing", "wrong_labels", "mix", "mean", "default"}
"""Words that say which class a table becomes, or that a value is everyone's."""


def _leaves(node: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        node = {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
    if isinstance(node, Mapping):
        for inside in node.values():
            yield from _leaves(inside)
    elif isinstance(node, (list, tuple)):
        for inside in node:
            yield from _leaves(inside)
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield float(node)
    elif node not in KINDS:
        yield node


def as_before(case: Case, ran: Ran) -> str:
    """What carries a checksum is what it was, or is not accepted."""
    now = _content(ran)
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        put(case.original)
        return "" if now == _content(run(case.original.command)) else "another content was accepted"


def _content(ran: Ran) -> str:
    if ran.value is None:
        return str(told(_written(), "item", "label", "slice", "annotator"))
    from labelvalue.model.fitting.result import draws_digest

    return draws_digest(ran.value) + json.dumps(ran.value.settings, sort_keys=True)


def as_salted(case: Case, ran: Ran) -> str:
    """A salt is no salt where it is short."""
    return "" if len(case.given.strip()) >= 16 else f"a salt of {len(case.given)} bytes"


ROWS = "SELECT previous, number, time, kind, content, digest FROM records ORDER BY number"


def as_project(case: Case, ran: Ran) -> str:
    """A project whose files are not what they were is not used as if nothing had happened."""
    if "broken" in ran.out + ran.error:
        return ""  # told
    if case.seed.target.endswith("ledger.sqlite"):
        same = _same_ledger(case)
    else:
        same = case.seed.command[0] != "verify" or case.given == case.original.files[case.seed.target]
    return "" if same else f"{case.seed.command[0]} ends with exit code {ran.code} on another {case.seed.target}"


def _same_ledger(case: Case) -> bool:
    """Whether its records are what they were, or all were chained anew; and where it is written, its triggers too."""
    found, sound = _records(case.given), _records(case.original.files[case.seed.target])
    if not found or not found[0] or found[0] != sound[0]:
        return bool(found and found[0] and found[2] and found[0][-1][5] != sound[0][-1][5])
    if case.seed.command[0] in ("history", "assets", "assumptions"):
        return True
    return found[1] == sound[1] or _records(Path(case.seed.target).read_bytes())[1] == sound[1]


def _records(content: bytes) -> Any:
    """All that a ledger tells; a chain that was made anew is beyond any check without a key."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ledger"
        path.write_bytes(content)
        try:
            with contextlib.closing(sqlite3.connect(path)) as ledger:
                rows = ledger.execute(ROWS).fetchall()
                layout = ledger.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
            sound = all(chained(*row[:5]) == row[5] for row in rows)
        except (sqlite3.Error, ValueError, UnicodeError, RecursionError):
            return None
    return rows, layout, sound


def _or_unreadable(check: Callable[..., str]) -> Callable[..., str]:
    def asked(case: Case, ran: Ran) -> str:
        try:
            return check(case, ran)
        except Unreadable as error:
            return f"accepted what a strict reader refuses: {error}"

    return asked


ORACLES: dict[str, Callable[..., str]] = {
    **dict.fromkeys(("", "read"), lambda *_: ""),
    **{
        name: _or_unreadable(check)
        for name, check in (
            *(("judged", as_judged), ("added", as_added), ("runs", as_runs), ("dump", as_dump), ("strict", as_strict)),
            *(("data", as_data), ("texts", as_texts), ("arrives", as_arriving), ("same", as_before)),
            *(("salt", as_salted), ("project", as_project)),
        )
    },
}
