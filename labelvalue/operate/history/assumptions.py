"""The register of assumptions: what the project said, what model and case take for granted, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from labelvalue import names
from labelvalue.operate.refit.advice import CASE_TEXT, PLAN
from labelvalue.operate.store.folders import published
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

if TYPE_CHECKING:
    from labelvalue.operate.store.project_folder import ProjectFolder

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
    from labelvalue.operate.refit.advice import asked_of
    from labelvalue.operate.refit.refit import load
    from labelvalue.operate.store.folders import FITS
    from labelvalue.report.numbers.label_quality import quality_numbers
    from labelvalue.report.numbers.plan import plan_numbers, records
    from labelvalue.report.numbers.what_if import what_if_numbers

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
    for name, labels in project.configuration.labels_now.items():
        yield {
            "id": f"labels_now/{name}",
            "text": f"slice {name!r} has {labels:,} labels today",
            "source": "labelvalue.toml",
            "value": labels,
            "if_wrong": "gains of this slice are counted from another place on its curve",
        }
    for name, share in project.configuration.fit.discount.items():
        yield {
            "id": f"fit.discount/{name}",
            "text": f"runs of batch {name!r} count for a share of their likelihood",
            "source": "labelvalue.toml",
            "value": share,
            "if_wrong": "old runs pull too much, or too little is learned from them",
        }


def _case(last: Mapping[str, Any] | None, file: str | None) -> Iterator[dict[str, Any]]:
    """Every number of the case, which stands in a file of the project."""
    if last is None:
        return
    tested = {item["key"]: item for item in last["assumptions"]}
    where = f"the case, {file}" if file else "the case of the last advice"
    for key, value, reason in leaves(parse_toml(last[CASE_TEXT])):
        yield {
            "id": f"case/{key}",
            "text": f"the case says {key}",
            "source": where + (f"; reason: {reason}" if reason else ""),
            "value": value if isinstance(value, str | int | float) else quantity_text(value),
            "if_wrong": _consequence(tested[key], last) if key in tested else _untested(key),
        }


def _untested(key: str) -> str:
    """Of a number that is varied nothing yet: it is computed for the page, and where the register is asked for."""
    return f"{NOT_TESTED}: {why_untested(key)}" if key in LABELS_OF else NOT_TESTED


def _priors(project: ProjectFolder, record: Any) -> Iterator[dict[str, Any]]:
    """Every prior of the published fit, with where it is from."""
    if record is None:
        return
    from labelvalue.operate.refit.refit import load

    fit = load(project.folder / "fits", record)
    flags = {name for held in fit.diagnostics.flags.values() for name in held}
    leans = names.MOSTLY_ASSUMPTION in flags
    for name, prior in fit.model.priors.as_dict().items():
        said = "; some slices rest mostly on priors" if leans else ""
        yield {
            "id": f"prior/{name}",
            "text": prior.get("meaning", ""),
            "source": prior.get("source", ""),
            "value": f"{prior['distribution']}({prior['center']:g}, {prior['spread']:g})",
            "if_wrong": f"curves are drawn to another middle{said}",
        }
