"""What the attack begins with: sound inputs of every reader from seeded generators, and hostile ones by name."""

import contextlib
import csv
import dataclasses
import functools
import io
import json
import os
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

# fmt: off
NUMBERS = (
    "1e400", "-1e400", "inf", "-inf", "NaN", "1e308", "1e-400", "-1", "-0", "0", "0.1", "1_000", "1,000", "٣", "0x10",
    "1e3", "10.0", "+5", "1e13", "true", "null", "[]", "{}", "", " 7 ", "9223372036854775808", "18446744073709551616",
    "99999-01-01", "2026-02-30", "2026-03-02T25:00Z", "0001-01-01T00:00:00+14:00", "9" * 20, "9" * 400, "9" * 5000,
)
# fmt: on
TEXTS = (
    *("\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", "a\nFORGED", "a\rFORGED", "a\x85FORGED", "a\u2028FORGED", "P\u200b"),
    *(
        "\u202eabc",
        "\ufeff",
        "\ud800",
        "\x00",
        "\x7f",
        "\t",
        " ",
        "e\u0301",
        "\U000e0041",
        "\ufdd0",
        "a,b",
        "a" * 100_000,
    ),
    *(
        "=cmd|' /C calc'!A0",
        "@SUM(A1)",
        "../../etc/passwd",
        "/dev/zero",
        "; DROP TABLE records",
        "<script>",
        "$\\frac{$",
    ),
    *("{slice}", "%s%n", "_hidden", "NA", "-", "é", "'", '"'),
)
KEEP = ("--batch", "b", "--keep-annotators", "--out", "out.csv")


@dataclasses.dataclass(frozen=True)
class Seed:
    """A sound input: files, the one that is attacked, what it is made of, and the command that reads it."""

    kind: str
    target: str
    files: Mapping[str, bytes]
    command: tuple[str, ...]
    oracle: str = ""


def separated(rows: list[list[object]], separator: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    made = io.StringIO()
    csv.writer(made, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return made.getvalue().encode()


def as_lines(records: list[dict]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def archive(members: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return made.getvalue()


def as_parquet(rows: list[list[object]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    columns = {str(name): [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


# --- runs -----------------------------------------------------------------------------------------


def run_rows(rng: random.Random) -> list[list[object]]:
    extra = rng.choice([[], ["learner"], ["other_labels", "batch"], ["seconds", "measured_at"]])
    known = {"learner": "m", "other_labels": 500, "batch": "b1", "seconds": 2.5, "measured_at": "2026-03-02"}
    rows: list[list[object]] = [["slice", "labels", "errors", "trials", "replicate", *extra]]
    for name in ("FR", "NA", 'a "quoted", slice'):
        for i, size in enumerate((100, 200, 400, 800)):
            rows.append([name, size, rng.randint(5, 40) - i, 200, rng.randint(0, 1), *(known[k] for k in extra)])
    return rows


def value_rows(rng: random.Random) -> list[list[object]]:
    rows: list[list[object]] = [["slice", "labels", "value", "stderr", "learner"]]
    return rows + [[s, n, round(rng.uniform(0.6, 0.9), 4), 0.01, "m"] for s in ("FR", "007") for n in (100, 200, 400)]


def runs_csv(rng: random.Random) -> Seed:
    counted = rng.random() < 0.7
    separator = rng.choice(",,;\t")
    content = separated(run_rows(rng) if counted else value_rows(rng), separator, rng.choice([0, 1]))
    content = rng.choice([content, content, b"\xef\xbb\xbf" + content, content.decode().encode("utf-16")])
    metric = () if counted else ("--metric", "accuracy")
    return Seed("csv", "in.csv", {"in.csv": content}, ("fit", "in.csv", "--out", "f.nc", *metric), "runs")


def runs_parquet(rng: random.Random) -> Seed:
    files = {"in.parquet": as_parquet(run_rows(rng))}
    return Seed("parquet", "in.parquet", files, ("fit", "in.parquet", "--out", "f.nc"))


def mlflow(rng: random.Random) -> Seed:
    measured = ("params.slice", "params.labels", "metrics.errors", "metrics.trials")
    rows: list[list[object]] = [["run_id", "status", "start_time", "end_time", *measured]]
    for i, row in enumerate(run_rows(rng)[1:]):
        state = "FAILED" if i == 5 else "FINISHED"
        rows.append([f"r{i}", state, "2026-03-01 10:00:00+00:00", "2026-03-01 10:02:00+00:00", *row[:4]])
    packed = rng.random() < 0.3
    name = "in.parquet" if packed else "in.csv"
    content = as_parquet(rows) if packed else separated(rows)
    command = ("import", "mlflow", name, "--out", "out.csv")
    return Seed("parquet" if packed else "csv", name, {name: content}, command, "" if packed else "dump")


def wandb(rng: random.Random) -> Seed:
    rows: list[list[object]] = [["Name", "State", "Created", "Runtime", "slice", "labels", "errors", "trials"]]
    for i, row in enumerate(run_rows(rng)[1:]):
        rows.append([f"sea-{i}", "finished", "2026-03-01T10:00:00.000Z", rng.randint(10, 99), *row[:4]])
    return Seed("csv", "in.csv", {"in.csv": separated(rows)}, ("import", "wandb", "in.csv", "--out", "out.csv"), "dump")


# --- judgements -----------------------------------------------------------------------------------


def judgements(rng: random.Random) -> Iterator[tuple[int, str, str, str, str, float]]:
    """Item, annotator, label, slice, time, seconds."""
    for item in range(1, 7):
        for who in ("ana", "bo"):
            time = f"2026-03-02T09:{item:02}:0{len(who)}Z"
            yield item, who, rng.choice(["spam", "ham"]), "FR" if item % 2 else "NA", time, rng.randint(2, 30)


def imported(tool: str, content: bytes, kind: str, *more: str, name: str = "in", oracle: str = "texts") -> Seed:
    return Seed(kind, name, {name: content}, ("import", tool, name, *more, *KEEP), oracle)


def label_studio(rng: random.Random) -> Seed:
    tasks: dict[int, dict] = {}
    for i, (item, who, label, part, time, seconds) in enumerate(judgements(rng)):
        data = {"text": "parcel läte", "meta": {"country": part}}
        task = tasks.setdefault(item, {"id": item, "project": 7, "data": data, "annotations": []})
        result = [{"from_name": "t", "to_name": "x", "type": "choices", "value": {"choices": [label]}}]
        one = {"id": i, "completed_by": {"id": who, "email": f"{who}@example.org"}, "was_cancelled": i == 3}
        one |= {"ground_truth": i == 4, "lead_time": seconds, "updated_at": time, "result": result}
        task["annotations"].append(one)
    content = json.dumps(list(tasks.values()), ensure_ascii=False, indent=rng.choice([None, 1])).encode()
    return imported("label-studio", content, "json", "--slice", "data.meta.country")


def argilla(rng: random.Random) -> Seed:
    records: dict[int, dict] = {}
    for item, who, label, part, *_ in judgements(rng):
        flat = {"id": f"r{item}", "country": part, "t.responses": [], "t.responses.users": [], "t.responses.status": []}
        record = records.setdefault(item, flat)
        for key, value in (("t.responses", label), ("t.responses.users", who), ("t.responses.status", "submitted")):
            record[key].append(value)
    return imported("argilla", json.dumps(list(records.values())).encode(), "json", "--slice", "country")


def argilla_nested(rng: random.Random) -> Seed:
    records: dict[int, dict] = {}
    for item, who, label, part, *_ in judgements(rng):
        fresh = {"id": f"r{item}", "fields": {"text": "x"}, "metadata": {"country": part}, "responses": {"t": []}}
        records.setdefault(item, fresh)["responses"]["t"].append({"value": label, "user_id": who})
    return imported("argilla", json.dumps(list(records.values())).encode(), "json", "--slice", "metadata.country")


def doccano_lines(rng: random.Random, member: str | None = None) -> bytes:
    found = [j for j in judgements(rng) if j[1] == (member or "ana")]
    return as_lines([{"id": j[0], "text": "x", "label": [j[2]], "country": j[3], "Comments": []} for j in found])


def doccano(rng: random.Random) -> Seed:
    return imported("doccano", doccano_lines(rng), "jsonl", "--slice", "country")


def doccano_zip(rng: random.Random) -> Seed:
    content = archive({f"{who}.jsonl": doccano_lines(rng, who) for who in ("ana", "bo")})
    return imported("doccano", content, "zip", "--slice", "country", oracle="same")


def prodigy(rng: random.Random) -> Seed:
    records = []
    for i, (item, who, label, part, _, seconds) in enumerate(judgements(rng)):
        one = {"text": "x", "label": label, "answer": "accept" if i % 3 else "reject", "meta": {"country": part}}
        one |= {"_input_hash": -item, "_task_hash": 200 + i, "_timestamp": 1772442000 + int(seconds)}
        records.append(one | {"_annotator_id": who, "_session_id": who})
    return imported("prodigy", as_lines(records), "jsonl", "--slice", "meta.country")


def cvat_text(rng: random.Random) -> bytes:
    meta = "<meta><task><id>4</id><name>streets</name><updated>2026-03-02 11:38:27.3+03:00</updated></task></meta>"
    images = ""
    for item, _, label, part, *_ in judgements(rng):
        box = f'<box label="{label}" source="manual" xtl="1.0" ytl="2.0"></box>'
        images += f"<image id={quoteattr(str(item))} name={quoteattr(f'{part}/{item}é.jpg')}>{box}</image>\n"
    track = '<track id="0" label="car"><box frame="3" keyframe="1" outside="0"/></track>'
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{head}<annotations><version>1.1</version>{meta}\n{images}{track}</annotations>".encode()


def cvat_xml(rng: random.Random) -> Seed:
    return imported("cvat", cvat_text(rng), "xml", "--slice", "path.0", oracle="read")


def cvat_zip(rng: random.Random) -> Seed:
    return imported("cvat", archive({"annotations.xml": cvat_text(rng)}), "zip", "--slice", "path.0", oracle="same")


def cvat_events(rng: random.Random) -> Seed:
    rows: list[list[object]] = [["scope", "timestamp", "count", "task_id", "job_id", "user_id", "user_name", "payload"]]
    for item, who, _, _, time, seconds in judgements(rng):
        rows.append(["send:working_time", time, 1, 4, item, who, who, json.dumps({"working_time": seconds * 1000})])
        rows.append(["create:shapes", time, item, 4, item, who, who, "{}"])
    return imported("cvat", separated(rows), "csv", oracle="strict")


def judgement_rows(rng: random.Random) -> list[list[object]]:
    return [["item", "label", "c", "annotator", "seconds", "time"]] + [
        [f"i{n}", label, part, who, seconds, time]
        for n, (_, who, label, part, time, seconds) in enumerate(judgements(rng))
    ]


def plain_csv(rng: random.Random) -> Seed:
    content = separated(judgement_rows(rng), quoting=rng.choice([0, 1]))
    return imported("csv", content, "csv", "--slice", "c", name="in.csv", oracle="judged")


def plain_parquet(rng: random.Random) -> Seed:
    files = {"in.parquet": as_parquet(judgement_rows(rng))}
    return Seed("parquet", "in.parquet", files, ("import", "csv", "in.parquet", "--slice", "c", "--out", "out.csv"))


def annotations(rng: random.Random) -> Seed:
    """A table of ours, to which an import adds."""
    import pandas as pd

    from labelvalue.observe.exports.annotations import COLUMNS, settled

    out, kind = rng.choice([("out.csv", "csv"), ("out.parquet", "parquet")])
    rows = [
        [f"old{item}", part, who, label, seconds, time, "b0", False, "s", who]
        for item, who, label, part, time, seconds in judgements(rng)
    ]
    table = settled(pd.DataFrame(rows, columns=list(COLUMNS[:10])))
    made = io.BytesIO()
    table.to_csv(made, index=False) if kind == "csv" else table.to_parquet(made, index=False)
    files = {out: made.getvalue(), "in.csv": separated(judgement_rows(rng))}
    return Seed(kind, out, files, ("import", "csv", "in.csv", *KEEP[:-1], out), "added" if kind == "csv" else "")


def salt(rng: random.Random) -> Seed:
    files = {"salt": rng.randbytes(32).hex().encode(), "in.csv": separated(judgement_rows(rng))}
    return Seed("salt", "salt", files, ("import", "csv", "in.csv", "--salt", "salt", "--out", "out.csv"), "salt")


# --- settings -------------------------------------------------------------------------------------

CASE = """\
name = "é case"
currency = "USD"
[costs]
price_per_label = { default = 0.08, east = { low = 0.10, high = 0.25 } }
tiers = [{ above = 3000, factor = 0.8 }]
setup_per_batch = 40
batch_size = 4000
retraining = [{ value = 25, probability = 0.9, name = "first" }, { value = 75, probability = 0.1, name = "thrice" }]
labels_per_day = { low = 400, high = 900 }
[value]
per_error_point = 1500
volume = { north = 1.2 }
horizon_days = 365
mix_changes = [{ after_days = 180, factors = { west = 0.5 }, probability = 0.3, reason = "may be left" }]
[guardrails]
maximum_budget = { limit = 900, probability = 0.9 }
maximum_spend = { limit = 25000, spent = 1200 }
floors = [{ slice = "east", error = 0.26, probability = 0.8, reason = "stakes" }]
[slices]
east = { minimum = 200, reason = "auditor" }
[risk]
appetite = "mean"
[score]
weight = 0.5
[[approvals]]
approver = "head"
above = 501
[[interventions]]
kind = "relabel"
share = 0.31
caught = 0.95
unit_cost = 0.05
"""
PROTOCOL = """\
metric = "error_rate"
sizes = [125, 250, 500]
replicates = 3
test_size = 0.25
strategies = ["random", { shares = { "no" = 0.8, "yes" = 0.2 } }]
label_noise = [0.1]
random_state = 7
[[suites]]
kind = "noise"
scale = 0.5
[[suites]]
kind = "time"
column = "day"
share = 0.2
"""
CONFIGURATION = """\
[plan]
max_labels = 2000
lot = 100
[fit]
draws = 500
random_seed = 3
[fit.discount]
a = 0.5
[labels_now]
east = 9000
[priors.elasticity_mean]
distribution = "normal"
center = -3.0
spread = 1.5
source = "my team"
[triggers]
surprise = 0.02
[limits]
minutes = 600
[report]
budgets = [501, 2002]
[[assumptions]]
id = "price"
text = "prices stay"
source = "head, 2026"
if_wrong = "dearer"
"""


@functools.cache
def fit_files() -> Mapping[str, bytes]:
    """A fit and its seal, made without sampling."""
    from labelvalue import testing

    with tempfile.TemporaryDirectory() as place:
        testing.fake_fit(seed=1, draws=25).save(Path(place) / "fit.nc")
        return {path.name: path.read_bytes() for path in Path(place).iterdir()}


@contextlib.contextmanager
def pretended() -> Iterator[pytest.MonkeyPatch]:
    """Fits that are not sampled, and pages that are not drawn."""
    import labelvalue as lv
    from labelvalue.report.render import html
    from tests.operate.conftest import put_in

    assert callable(lv.fit), "looked up before anything stands in its place: the front door keeps what it found"
    assert callable(lv.write_report)

    def page(*given: object, path: Path, **settings: object) -> Path:
        path.write_text("<p>a page</p>")
        return path

    with pytest.MonkeyPatch.context() as patch:
        put_in(patch)
        patch.setattr(html, "write_report", page)
        yield patch


@functools.cache
def project_files() -> Mapping[str, bytes]:
    """A project with two batches, a published fit and advice; its sampler is a stand-in."""
    from labelvalue import Project, testing, write_runs
    from tests.operate.conftest import CASE as OTHER, WITH_CASE

    with tempfile.TemporaryDirectory() as place, pretended():
        project = Project.create(Path(place) / "project")
        (project.folder / "case.toml").write_text(OTHER)
        (project.folder / "labelvalue.toml").write_text(WITH_CASE)
        for batch, sizes in {"a": (500, 1000, 2000), "b": (4000,)}.items():
            runs = testing.fake_runs(seed=1, sizes=sizes, replicates=1)
            project.add(runs, batch=batch).refit(progress=False)
        project.note("seen", slice="east")
        coming = write_runs(testing.fake_runs(seed=1, sizes=(16000,), replicates=1), Path(place) / "in.csv")
        found = [path for path in project.folder.rglob("*") if path.is_file() and path.name != "lock"]
        return {str(path.relative_to(place)): path.read_bytes() for path in (coming, *found)}


def case(rng: random.Random) -> Seed:
    files = {"in.toml": CASE.encode(), **fit_files()}
    return Seed("toml", "in.toml", files, ("plan", "fit.nc", "--case", "in.toml"), "arrives")


def protocol(rng: random.Random) -> Seed:
    data = separated([["y", "c", "x"], *[["yes" if i % 3 else "no", "FR", i] for i in range(30)]])
    command = ("simulate", "data.csv", "--target", "y", "--slice", "c", "--protocol", "in.toml", "--out", "out.csv")
    return Seed("toml", "in.toml", {"in.toml": PROTOCOL.encode(), "data.csv": data}, command, "arrives")


def protocol_beside(rng: random.Random) -> Seed:
    files = {"in.csv.protocol.toml": PROTOCOL.encode(), "in.csv": separated(run_rows(rng))}
    return Seed("toml", "in.csv.protocol.toml", files, ("fit", "in.csv", "--out", "f.nc"))


def tabular(rng: random.Random) -> Seed:
    rows: list[list[object]] = [["y", "c", "x", "z"]]
    rows += [[rng.choice(["yes", "no"]), rng.choice(["FR", "NA"]), rng.random(), rng.choice("abc")] for _ in range(20)]
    name = rng.choice(["in.csv", "in.csv", "in.parquet"])
    content = separated(rows) if name == "in.csv" else as_parquet(rows)
    command = ("simulate", name, "--target", "y", "--slice", "c", "--out", "out.csv")
    return Seed(name[3:], name, {name: content}, command, "data" if name == "in.csv" else "")


def configuration(rng: random.Random) -> Seed:
    files = dict(project_files()) | {"project/labelvalue.toml": CONFIGURATION.encode()}
    return Seed("toml", "project/labelvalue.toml", files, ("refit", "project"))


def fit(rng: random.Random) -> Seed:
    target = rng.choice(["fit.nc", "fit.nc", "fit.nc.sha256"])
    return Seed("sealed", target, fit_files(), ("gain", "fit.nc", "--budgets", "500"), "same")


COMMANDS = (
    *(("verify",), ("verify",), ("history",), ("assets",), ("assumptions",)),
    *(("history", "--out", "trail.html"), ("refit",), ("add", "in.csv"), ("note", "seen", "--slice", "east")),
    ("decide", "wait", "--approver", "me"),
)


def ledger(rng: random.Random) -> Seed:
    name, *more = rng.choice(COMMANDS)
    return Seed("ledger", "project/ledger.sqlite", project_files(), (name, "project", *more), "project")


def project(rng: random.Random) -> Seed:
    inside = sorted(n for n in project_files() if n != "in.csv" and not n.endswith((".toml", "ledger.sqlite")))
    command = rng.choice([("verify", "project"), ("verify", "project"), ("refit", "project"), ("history", "project")])
    return Seed("bytes", rng.choice(inside), project_files(), command, "project")


FAMILIES: dict[str, Callable[[random.Random], Seed]] = {made.__name__: made for made in (
    runs_csv, runs_parquet, mlflow, wandb, label_studio, argilla, argilla_nested, doccano, doccano_zip, prodigy,
    cvat_xml, cvat_zip, cvat_events, plain_csv, plain_parquet, annotations, salt, case, protocol, protocol_beside,
    tabular, configuration, fit, ledger, project,
)}  # fmt: skip

# --- hostile inputs, by what they are made of -----------------------------------------------------

Put = Callable[[Path], None]
MIB = 1024**2


def places() -> dict[str, Put]:
    """What may stand where a file is expected."""

    def sparse(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(40 * 1024 * MIB)

    return {
        "missing": lambda path: None,
        "link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "link to /dev/null": lambda path: path.symlink_to("/dev/null"),
        "link to itself": lambda path: path.symlink_to(path),
        "link to nowhere": lambda path: path.symlink_to("nowhere"),
        "pipe": lambda path: os.mkfifo(path),
        "folder": lambda path: path.mkdir(),
        "sparse": sparse,
    }


def _bytes(kind: str) -> dict[str, bytes]:
    """Short hostile contents that need nothing of the sound one."""
    deep = 100_000
    found = {
        "empty": b"",
        "one zero": b"\0",
        "zeros": b"\0" * MIB,
        "mark alone": b"\xef\xbb\xbf",
        "utf-16 mark alone": b"\xff\xfe",
        "pickle": b"\x80\x04N.",
        "half a character": b"\xc3",
        "white space": b" \n\t" * 1000,
    }
    if kind == "csv":
        found |= {
            "a header alone": b"item,label,slice,labels,errors,trials\n",
            "a hundred thousand columns": b",".join(b"c%d" % i for i in range(deep)) + b"\n1\n",
            "a cell of 8 MB": b"item,label\n1," + b"x" * 8 * MIB + b"\n",
            "a cell of 40 MB in lines": b'item,label\n1,"' + b"xxxxxxx\n" * 5 * MIB + b'"\n',
            "a quote never closed": b'item,label\n1,"' + b"x,y\n" * deep,
            "quotes alone": b'"' * MIB,
            "commas alone": b"," * MIB,
            "three hundred thousand rows": b"item,label,c\n" + b"1,spam,FR\n" * 300_000,
        }
        found |= {f"a column {text[:9]!r}": f'"{text}",item\n'.encode("utf-8", "replace") * 3 for text in TEXTS}
    if kind in ("json", "jsonl", "toml"):
        found |= {f"{what} without end": what.encode() * deep for what in ("[", '{"a":', '[{"a":', "[[", "a.", "{")}
    if kind in ("json", "jsonl"):
        found |= {
            "a number of a megabyte": b'[{"id": ' + b"9" * MIB + b"}]",
            "a text of 70 MB": b'[{"id": "' + b"x" * 70 * MIB + b'"}]',
            "a list of a million": b"[" + b"1," * MIB + b"1]",
            "a record of a million keys": b'[{"id": 1' + b"".join(b', "%d": 0' % i for i in range(MIB)) + b"}]",
        }
    if kind == "toml":
        found |= {
            "a key of 20,000 parts": b"a" + b".a" * 20_000 + b" = 1\n",
            "a table of 20,000 parts": b"[a" + b".a" * 20_000 + b"]\n",
            "a text of 8 MB": b'name = "' + b"x" * 8 * MIB + b'"\n',
            "a hundred thousand keys": b"".join(b"k%d = 1\n" % i for i in range(deep)),
            "many tables": b"[[suites]]\n" * deep,
            "a deep list": b"name = " + b"[" * deep + b"]" * deep,
        }
    if kind == "xml":
        bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
        doctype = b'<!DOCTYPE annotations [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotations>&e;</annotations>'
        found |= {
            "an entity bomb": f'<!DOCTYPE a [<!ENTITY e0 "x">{bomb}]><annotations>&e9;</annotations>'.encode(),
            "an outer entity": doctype,
            "a million deep": b"<annotations>" + b"<a>" * 10**6,
            "a text of 70 MB": b"<annotations><meta><task><name>" + b"x" * 70 * MIB,
            "an attribute of 8 MB": b'<annotations><image id="' + b"x" * 8 * MIB + b'"/></annotations>',
            "a million shapes": b'<annotations><image id="1" name="a">' + b'<box label="a"/>' * 10**6,
        }
        for name in ("foo", "utf-32", "shift_jis", "utf-7", "cp037", "\x1b[2J"):
            found[f"encoding {name!r}"] = f'<?xml version="1.0" encoding="{name}"?><annotations/>'.encode("latin-1")
    return found


def _archives() -> dict[str, bytes]:
    line = b'{"id": 1, "label": ["a"], "country": "FR"}\n'
    sound = archive({"ana.jsonl": line, "annotations.xml": b"<annotations/>"})
    stored, plain = archive({"ana.jsonl": line}, zipfile.ZIP_STORED), b"\x14\0\0\0\0\0"
    found = {
        "lzma": archive({"ana.jsonl": line}, zipfile.ZIP_LZMA),
        "bzip2": archive({"ana.jsonl": line}, zipfile.ZIP_BZIP2),
        "encrypted": stored.replace(plain, b"\x14\0\1\0\0\0"),
        "a method that is none": stored.replace(plain, b"\x14\0\0\0\x63\0"),
        "a wrong checksum": stored.replace(b'"FR"', b'"GB"'),
        "a bomb": archive({"ana.jsonl": b" " * 64 * MIB}),
        "ten thousand members": archive({f"{i}.jsonl": b"" for i in range(10_001)}),
        "nothing": archive({}),
        "an archive in it": archive({"ana.jsonl": sound}),
        "something before it": b"x" * 100 + sound,
        "something after it": sound + b"x" * 70_000,
    }
    for name in (
        "../a.jsonl",
        "/etc/a.jsonl",
        "C:\\a.jsonl",
        "..\\a.jsonl",
        *(f"{text[:200]}.jsonl" for text in TEXTS),
    ):
        if "\ud800" not in name and "\x00" not in name:
            found[f"a member {name[:20]!r}"] = archive({name: line})
    return found


def _tables() -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def packed(table: pa.Table) -> bytes:
        made = io.BytesIO()
        pq.write_table(table, made)
        return made.getvalue()

    def runs(**columns: object) -> pa.Table:
        sound = {"slice": ["FR", "FR"], "labels": [100, 200], "errors": [30, 20], "trials": [99, 99]}
        sound |= {"item": ["1", "2"], "label": ["a", "b"], "c": ["FR", "NA"], "y": ["a", "b"]}
        return pa.table(sound | columns)

    def much(size: int) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array([0] * 190_000, pa.int32()), pa.array(["x" * size]))

    found = {
        "a dictionary that unfolds to 19 GB": packed(
            pa.table(dict.fromkeys(["slice", "item", "label", "run_id"], much(25_000)))
        ),
        "no column": packed(pa.table({})),
        "no row": packed(runs().slice(0, 0)),
        "a column twice": packed(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["item", "item", "slice"])),
        "ten thousand columns": packed(pa.table({f"c{i}": [1] for i in range(10_000)})),
    }
    odd = {
        "lists": pa.array([["FR"], None]),
        "records": pa.array([{"a": 1}, {"a": 2}]),
        "bytes": pa.array([b"\xff\xfe", b"FR"]),
        "nothing": pa.nulls(2),
        "times": pa.array([2**62, -(2**62)], pa.timestamp("us")),
        "decimals": pa.array([10**37, 1], pa.decimal256(60, 3)),
        "large numbers": pa.array([2**64 - 1, 0], pa.uint64()),
        "no numbers": pa.array([float("nan"), float("inf")]),
        "truth": pa.array([True, False]),
        "categories": pa.array(["FR", "NA"]).dictionary_encode(),
        "spans": pa.array([2**62, 1], pa.duration("s")),
    }
    for what, column in odd.items():
        for name in ("slice", "labels", "errors", "item", "label", "c", "y", "batch"):
            found[f"{name} of {what}"] = packed(runs(**{name: column}))
    return found


@functools.cache
def hostile(kind: str) -> dict[str, bytes | Put]:
    """Every hostile thing that may stand in the place of a file of this kind, by name."""
    found: dict[str, bytes | Put] = {**places(), **_bytes(kind)}
    if kind == "zip":
        found |= _archives()
    if kind == "parquet":
        found |= _tables()
    return found
