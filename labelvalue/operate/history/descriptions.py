"""Records of the ledger in a few words each, and notes of people among them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labelvalue import names
from labelvalue.numerals import counted, estimated, readable
from labelvalue.operate.store.folders import RUNS, ProjectFolder, brought, current_batches, unseen
from labelvalue.operate.store.records import ANNOTATIONS, TOLD as TOLD_CASE, Record
from labelvalue.printing import visible, wrapped
from labelvalue.problems import InputError, Problem, did_you_mean
from labelvalue.reading import parse_toml

if TYPE_CHECKING:
    import pandas as pd


TOLD = ("batch", "score", "fit", "advice", "decision", "failure")  # kinds of records whose last a project prints


class ToldProject(ProjectFolder):
    """A project folder that shows where it stands: its batches, and the last record of each kind that matters."""

    def __str__(self) -> str:
        head, *rows = self._standing()
        return "\n".join([": ".join(head), *(wrapped(f"{when}  {what}", " " * 12) for when, what in rows)])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        (name, said), *rows = (map(html.escape, map(visible, pair)) for pair in self._standing())
        cells = "".join(f"<tr><th>{when}</th><td>{what}</td></tr>" for when, what in rows)
        return f"<p><strong>{name}</strong>: {said}</p><table>{cells}</table>"

    def _standing(self) -> list[tuple[str, str]]:
        """Name of the folder with its batches, then day and words of the last record of each kind."""
        records = self.ledger.records()
        brought_in = [record.content["rows"] for record in unseen(records, None)]
        said = f"{counted(len(brought_in), 'batch', 'batches')}, {counted(sum(brought_in), 'run')}"
        last = {row["kind"]: row for row in describe_records(records)}
        rows = sorted((last[kind] for kind in TOLD if kind in last), key=lambda row: row["number"])
        return [(f"Project {self.folder.resolve().name}", said), *((row["time"][:10], row["what"]) for row in rows)]


COLUMNS = ("number", "time", "author", "of", "name", "text")
LONGEST = 2000  # characters of a note: a remark, not a document


def record_note(project: ProjectFolder, text: str, slice_: str | None, batch: str | None, author: str) -> None:
    """Put a note down."""
    problems = []
    if not 0 < len(text.strip()) <= LONGEST:
        why = "empty" if not text.strip() else f"{len(text):,} characters"
        problems.append(Problem(column="text", why=why, fix=f"say it in 1 to {LONGEST:,} characters"))
    if (slice_ is None) == (batch is None):
        problems.append(Problem(column="slice", why="a note is on a slice or on a batch", fix="give one of the two"))
    of, name = (names.SLICE, slice_) if slice_ is not None else (names.BATCH, batch)
    if not problems:
        records = project.ledger.records("batch")
        known = [one.name for one in current_batches(records)]
        if of == names.SLICE:
            stands = unseen(records, None)
            known = sorted({s for r in stands for s in brought(project.folder / RUNS, r)[names.LABELS]})
        if name not in known:
            why = f"no such {of}{did_you_mean(str(name), known)}"
            fix = f"one of {', '.join(known)}" if known else f"{project.folder} has no batch yet; add one first"
            problems.append(Problem(column=of, value=name, why=why, fix=fix))
    if problems:
        raise InputError(problems)
    content = {"of": of, "name": name, "text": text.strip(), "author": author.strip()}
    project.ledger.append([("note", content)])


def notes(records: Sequence[Record]) -> pd.DataFrame:
    """Lay the notes out."""
    import pandas as pd  # writing a note needs none of it

    rows = [
        (r.number, r.time, r.content["author"] or r.content["by"], *(r.content[key] for key in ("of", "name", "text")))
        for r in records
        if r.kind == "note"
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def describe_records(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return of each record its number, time, kind, by whom, and what in a few words."""
    new = _new_batches(records)
    words = {r.number: _WORDS[r.kind](r.content) + new.get(r.number, "") for r in records}
    return [
        {"number": r.number, "time": r.time, "kind": r.kind, "by": r.content.get("by", ""), "what": words[r.number]}
        for r in records
    ]


def _new_batches(records: Sequence[Record]) -> dict[int, str]:
    """Name what each fit was made from that the one before it was not."""
    called = {r.number: r.content[names.BATCH] for r in records if r.kind == "batch"}
    known: set[int] = set()
    found = {}
    for record in records:
        if record.kind == "fit":
            new = [repr(called[number]) for number in record.content["batches"] if number not in known]
            known = {*record.content["batches"]}
            found[record.number] = f"; new in it: {', '.join(new) or 'nothing'}"
    return found


def _batch(content: Mapping[str, Any]) -> str:
    instead = f" instead of record {content['supersedes']}" if content["supersedes"] else ""
    return f"batch {content[names.BATCH]!r}, {content['rows']} runs{instead}"


def _annotations(content: Mapping[str, Any]) -> str:
    told = parse_toml(content[TOLD_CASE])
    keys = sorted({*told.pop("costs", {}), *told} - {names.LABEL_NOISE_ORIGIN})
    return f"annotations {content[names.BATCH]!r}, {content['rows']:,} judgements, tell {', '.join(keys) or 'nothing'}"


def _fit(content: Mapping[str, Any]) -> str:
    state = "published" if content["published"] else "not published: " + "; ".join(content["reasons"])
    said = content.get("backtest", "").removesuffix(".")
    state += f"; {said}" if said and said not in content["reasons"] else ""
    less = "".join(f", batch {name!r} counts for {share:g}" for name, share in content.get("discount", {}).items())
    batches = counted(len(content["batches"]), "batch", "batches")
    return f"fit {content['fit']} of {batches}{less}, {content['verdict']}, {state}"


def _forecast(content: Mapping[str, Any]) -> str:
    what = {names.BATCH: f"batch {content.get(names.BATCH)!r}", "plan": "the plan"}.get(content["of"], "budgets")
    return f"forecast of {what} by fit {content['fit']}, {len(content['cells'])} cells"


def _score(content: Mapping[str, Any]) -> str:
    cells = content["cells"]
    held = int(sum(cell[names.COVERS_90] for cell in cells))
    inside = f"{held} of {len(cells)} in their 90 % interval"
    return f"batch {content[names.BATCH]!r}: {inside}, surprise {readable(content['surprise'], 3)}"


def _check(content: Mapping[str, Any]) -> str:
    if content["of"] == "triggers":
        fired = [found["trigger"] for found in content["triggers"] if found["fired"]]
        return f"triggers after batch {content[names.BATCH]!r}: {', '.join(fired) or 'none'}"
    if content["of"] == "guardrails":
        rules = ", ".join(f"{rule['rule']} {rule['state']}" for rule in content["guardrails"])
        return f"guardrails of fit {content['fit']}: {rules or 'none set'}"
    if content["of"] == "milestone":
        return milestone_line(content)
    if content["of"] == "learner":
        said = f"learner {content['learner']!r} is new; old runs give {_share(content)} of what is known of it"
        factor = content.get(names.CARRY_OVER)
        return said if factor is None else f"{said}, an old curve counts {factor['mean']:.2f} in its own"
    return f"fit {content['fit']} made again: draws {'the same' if content['same'] else 'differ'}"


def milestone_line(found: Mapping[str, Any]) -> str:
    """Say in one sentence what a batch showed of the advice before it, and whether its rule says to go on."""
    band = f"{'within' if found['inside'] else 'outside'} the promised {found['low']:.4f} to {found['high']:.4f}"
    go = {True: "go on", False: "stop", None: "the plan is carried out"}[found["go"]]
    lead = f"milestone {found['step']} of {found['steps']} after batch {found[names.BATCH]!r}"
    return f"{lead}, {found[names.LABELS]:,} labels: mean error {found[names.ERROR]:.4f}, {band}: {go}"


def _advice(content: Mapping[str, Any]) -> str:
    bought = ", ".join(f"{count:,} of {name!r}" for name, count in content["plan"].items() if count)
    said = f"advice on fit {content['fit']}: {content['advice']}{': ' if bought else ''}{bought}, {content['state']}"
    from labelvalue.operate.history.scorecard import per_money  # takes half a second to import, and advice is rare

    rate = per_money(content)
    if rate is None:
        return said
    net = content[names.NET_BENEFIT]
    worth = estimated(net["mean"], net.get(names.MCSE), readable(net["mean"]))
    return f"{said}, expected net benefit {worth}, {readable(rate, 3)} per unit of money"


def _share(content: Mapping[str, Any]) -> str:
    shares = [row["share"] for row in content["slices"]]
    return f"{100 * sum(shares) / len(shares):.0f} %" if shares else "an unknown part"


def _decision(content: Mapping[str, Any]) -> str:
    why = f": {content['comment']}" if content["comment"] else ""
    on = f"advice {content['advice_record']}" if content.get("advice_record") else f"fit {content['fit']}"
    return f"{content['verdict']} on {on}, approved by {content['approver']}{why}"


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "project": lambda content: f"project {content['folder']!r} made",
    "batch": _batch,
    "fit": _fit,
    "forecast": _forecast,
    "score": _score,
    "check": _check,
    "advice": _advice,
    "decision": _decision,
    ANNOTATIONS: _annotations,
    "note": lambda content: f"note on {content['of']} {content['name']!r}: {content['text']}",
    "failure": lambda content: str(content["why"]),
    "migration": lambda content: f"schema {content['to']}",
    "settings": lambda content: f"labelvalue.toml as it is from here on, {len(content['text'].splitlines())} lines",
    "page": lambda content: f"page of fit {content['fit']}, SHA-256 {content['sha256'][:16]}…",
}
