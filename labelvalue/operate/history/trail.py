"""The trail: the ledger in words, checked from end to end, and the register of assumptions that it rests on."""

import collections
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.rules import STATE
from labelvalue.operate.history.assets import assets_of
from labelvalue.operate.history.descriptions import describe_records, notes
from labelvalue.operate.history.scorecard import CELLS, FACTOR, calibration, scorecard
from labelvalue.operate.refit import advice
from labelvalue.operate.refit.advice import CASE_TEXT, PLAN, asked_of
from labelvalue.operate.refit.refit import gain_forecast
from labelvalue.operate.store.batches import check_files
from labelvalue.operate.store.folders import (
    FITS,
    REPORTS,
    RUNS,
    ProjectFolder,
    check_folder,
    current_batches,
    load,
    manifest_digest,
    published,
)
from labelvalue.operate.store.identity import PATTERN as ID, advice_digest, changed, digest_file
from labelvalue.operate.store.ledger import Ledger
from labelvalue.operate.store.records import ANNOTATIONS, SHA, Batch, Record
from labelvalue.problems import InputError, Problem, StorageError, input_error, listed, quote
from labelvalue.reading import parse_toml
from labelvalue.report.words.assumptions import (
    LABELS_OF,
    NOT_TESTED,
    case_assumptions,
    leaves,
    quantity_text,
    why_untested,
    with_consequences,
)

COLUMNS = ("id", "text", "source", "value", "if_wrong")


def register(project: ProjectFolder) -> pd.DataFrame:
    """Collect the assumptions of a project's published fit and advice."""
    records = project.ledger.records()
    advised = [record.content for record in records if record.kind == "advice"]
    last = advised[-1] if advised else None
    rows = [
        *_said(project, last),
        *_settings(project),
        *_case(last, project.configuration.case),
        *_priors(project, published(records)),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def tested_register(project: ProjectFolder) -> pd.DataFrame:
    """Collect them, with what would be decided if a number of the case were another, as the page says it."""
    table, told = register(project), project.ledger.records("fit", "advice")
    advised = [record.content for record in told if record.kind == "advice"]
    if not advised:
        return table
    from labelvalue.decisions.advice.deciding import decide
    from labelvalue.decisions.sensitivity.tornado import plan_sensitivity, vary_case
    from labelvalue.report.numbers.alternatives import quality_numbers
    from labelvalue.report.numbers.plan import plan_numbers, what_if_numbers
    from labelvalue.report.numbers.tables import records

    last = advised[-1]
    made_of = next(record for record in told if record.kind == "fit" and record.content["fit"] == last["fit"])
    fit, case = asked_of(load(project.folder / FITS, made_of), last)
    plan = decide(fit, case, **last["settings"]["plan"], measure=False)
    numbers = plan_numbers(plan) | {
        "varied": records(vary_case(plan)),
        "what_if": what_if_numbers(plan),
        "sensitivity": records(plan_sensitivity(plan, refit=False)),
        "label_quality": quality_numbers(plan),
    }
    told_rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    rows = with_consequences(told_rows, case_assumptions(case, numbers))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _said(project: ProjectFolder, last: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """What ``labelvalue.toml`` lists; where it gives an alternative, what the advice is with it."""
    tested = {} if last is None else {item["id"]: item for item in last["assumptions"]}
    for item in project.configuration.assumptions:
        row = {name: item.get(name, "") for name in COLUMNS}
        if item["id"] in tested and last is not None:
            row["if_wrong"] = f"{item['if_wrong']} {_consequence(tested[item['id']], last)}"
        yield row


def _consequence(other: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    with_it = f"With {other['key']} = {other['alternative']}"
    if not other["changes"]:
        return f"{with_it} the plan stays the same."
    moved = [
        f"{other[PLAN].get(name, 0):,} instead of {last[PLAN].get(name, 0):,} labels of {name!r}"
        for name in sorted({*other[PLAN], *last[PLAN]})
        if other[PLAN].get(name, 0) != last[PLAN].get(name, 0)
    ]
    return f"{with_it} the advice is {other['advice']}{': ' if moved else ''}{', '.join(moved)}."


def _settings(project: ProjectFolder) -> Iterator[dict[str, Any]]:
    source = "labelvalue.toml"
    for name, labels in project.configuration.labels_now.items():
        wrong = "gains of this slice are counted from another place on its curve"
        yield _row(f"labels_now/{name}", f"slice {name!r} has {labels:,} labels today", source, labels, wrong)
    for name, share in project.configuration.fit.discount.items():
        wrong = "old runs pull too much, or too little is learned from them"
        text = f"runs of batch {name!r} count for a share of their likelihood"
        yield _row(f"fit.discount/{name}", text, source, share, wrong)


def _row(*cells: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, cells, strict=True))


def _case(last: Mapping[str, Any] | None, file: str | None) -> Iterator[dict[str, Any]]:
    """Every number of the case, which stands in a file of the project."""
    if last is None:
        return
    tested = {item["key"]: item for item in last["assumptions"]}
    where = f"the case, {file}" if file else "the case of the last advice"
    for key, value, reason in leaves(parse_toml(last[CASE_TEXT])):
        source = _annotated(key, last) or where + (f"; reason: {reason}" if reason else "")
        stated = value if isinstance(value, str | int | float) else quantity_text(value)
        # What is varied nothing yet is computed for the page, and where the register is asked for.
        untested = f"{NOT_TESTED}: {why_untested(key)}" if key in LABELS_OF else NOT_TESTED
        wrong = _consequence(tested[key], last) if key in tested else untested
        yield _row(f"case/{key}", f"the case says {key}", source, stated, wrong)


def _annotated(key: str, last: Mapping[str, Any]) -> str:
    """Where a number of the case comes from that its file does not state; nothing where it does."""
    told = last["settings"].get(ANNOTATIONS)
    if told is None or not any(f"{key}.".startswith(f"{own}.") for own in told["keys"]):
        return ""
    batches = listed(quote(name) for name in told["batches"])
    return f"{names.FROM_ANNOTATIONS}, batch {batches}, record {told['record']}"


def _priors(project: ProjectFolder, record: Any) -> Iterator[dict[str, Any]]:
    """Every prior of the published fit, with where it is from."""
    if record is None:
        return
    fit = load(project.folder / "fits", record)
    flags = {name for held in fit.diagnostics.flags.values() for name in held}
    leans = names.MOSTLY_ASSUMPTION in flags
    for name, prior in fit.model.priors.as_dict().items():
        said = "; some slices rest mostly on priors" if leans else ""
        drawn = f"{prior['distribution']}({prior['center']:g}, {prior['spread']:g})"
        wrong = f"curves are drawn to another middle{said}"
        yield _row(f"prior/{name}", prior.get("meaning", ""), prior.get("source", ""), drawn, wrong)


def history(records: Sequence[Record]) -> pd.DataFrame:
    """Lay records out as a table: number, time, kind, who, and what in a few words."""
    return pd.DataFrame(describe_records(records), columns=["number", "time", "kind", "by", "what"])


def record_decision(ledger: Ledger, verdict: str, approver: str, comment: str) -> None:
    """Record a decision on the published fit."""
    empty = [name for name, text in (("verdict", verdict), ("approver", approver)) if not text.strip()]
    if empty:
        raise InputError([Problem(column=name, why="empty", fix="say it") for name in empty])
    records = ledger.records("fit", "advice")
    record = published(records)
    if record is None:
        raise input_error("no fit is published to decide on", "run 'labelvalue refit DIR'")
    about: dict[str, Any] = {"fit": record.content["fit"], "fit_record": record.number}
    advised = [r for r in records if r.kind == "advice" and r.content["fit"] == record.content["fit"]]
    if advised:
        last = advised[-1]
        about |= {"advice_record": last.number, "advice": last.content["advice"], "plan": last.content["plan"]}
        about[STATE] = last.content[STATE]
    given = {"verdict": verdict, "approver": approver, "comment": comment}
    ledger.append([("decision", about | given)])


def verify(project: ProjectFolder, head: str | None, reproduce: bool = False) -> str:
    """Check chain, runs, fits and pages, and on request one decision; return the digest of the last record."""
    if head is not None and not SHA.fullmatch(head):
        why = "no digest: 64 characters of 0 to 9 and a to f"
        raise input_error(why, "give the whole digest that was printed", column="head", value=head)
    records = project.ledger.check()
    digests = [record.digest for record in records]
    if head is not None and head not in digests:
        raise StorageError(
            f"{project.ledger.path}: no record has the digest {head}: records were cut off or written anew. "
            "Fix: restore the ledger from a backup."
        )
    batches = [Batch.of(record) for record in records if record.kind in ("batch", ANNOTATIONS)]
    collections.deque(check_files(project.folder / RUNS, batches), maxlen=0)
    for record in records:
        if record.kind == "fit":
            folder = project.folder / FITS / record.content["fit"]
            check_folder(folder)
            if manifest_digest(folder) != record.content["manifest"]:
                raise StorageError(f"{folder}: is not the folder that record {record.number} names. Fix: restore it.")
    _check_pages(project.folder / REPORTS, records)
    if reproduce:
        reproduced(project, records)
    return digests[-1]


def _check_pages(folder: Path, records: Sequence[Record]) -> None:
    """Raise for a page that is none of those recorded; one that is gone can be made again by the next re-fit."""
    made: dict[str, set[str]] = {}
    for record in records:
        if record.kind == "page":
            made.setdefault(record.content["fit"], set()).add(record.content["sha256"])
    for path in sorted(folder.glob("*.html")):
        if ID.fullmatch(path.stem) and (path.is_symlink() or digest_file(path) not in made.get(path.stem, ())):
            why = "is no page that the ledger knows: it was altered, or put there"
            raise StorageError(f"{path}: {why}. Fix: remove it; 'labelvalue refit DIR' makes it again.")


def settings_line(project: ProjectFolder) -> str:
    """Say whether ``labelvalue.toml`` is what the last records were made under; only the ledger may not be edited."""
    known = project.ledger.records("settings")
    if not known:
        return "no record holds labelvalue.toml yet"
    same = project.configuration.text == known[-1].content["text"]
    return f"labelvalue.toml {'is as' if same else 'was edited since'} record {known[-1].number} holds it"


def reproduced(project: ProjectFolder, records: Sequence[Record]) -> Record:
    """Make the last advice, or without one the last gain forecast, again from its inputs."""
    made = [r for r in records if r.kind == "advice"] or [
        r for r in records if r.kind == "forecast" and r.content["of"] == names.GAIN
    ]
    if not made:
        raise input_error("no advice and no forecast to make again", "run 'labelvalue refit DIR'")
    record, content = made[-1], made[-1].content
    of = next(r for r in records if r.kind == "fit" and r.content["fit"] == content["fit"])
    fit = load(project.folder / FITS, of)
    if record.kind == "advice":
        now = advice.again(fit, content)
        old = {key: content.get(key) for key in now}
        other = [key for key in changed(old, now) if not _alike(old.get(key), now.get(key))]
        code = "" if content["code"] == advice_digest() else "; it was made by other code"
    else:
        budgets = sorted({cell[names.BUDGET] for cell in content[CELLS]})
        other = [] if _alike(gain_forecast(fit, budgets, content[FACTOR])[CELLS], content[CELLS]) else [CELLS]
        code = ""
    if other:
        raise StorageError(
            f"{project.ledger.path}: record {record.number} ({record.kind}) cannot be made again: "
            f"{', '.join(other)} differ{code}. Fix: compare versions with those in the fit's manifest."
        )
    return record


def _alike(one: object, other: object) -> bool:
    """Whether plain values are the same but for the last digits of numbers, which another processor may round."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other


def export(project: ProjectFolder) -> dict[str, Any]:
    """Return the whole trail as plain values, after verifying it."""
    head = verify(project, None)
    records = project.ledger.records()
    card = scorecard(records)
    return {
        "head": head,
        "records": [record.as_dict() for record in records],
        "configuration": project.configuration.text,
        "standing": [batch.name for batch in current_batches(records)],
        "calibration": dict(calibration(card)),
        "assumptions": register(project).to_dict(orient="records"),
        "notes": notes(records).to_dict(orient="records"),
        "assets": {k: v for k, v in assets_of(project).attrs.items()},
    }
