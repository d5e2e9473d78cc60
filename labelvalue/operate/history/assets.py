"""Money in a project: what was paid and promised, what came of it, and whether to fit again, train and go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.rules import state_of
from labelvalue.decisions.case.case import Case, parse_case
from labelvalue.decisions.case.value import unit_value
from labelvalue.decisions.outcomes.benefit import retraining_benefit
from labelvalue.decisions.outcomes.spending import label_cost
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.operate.history.scorecard import (
    CELLS,
    DELIVERED,
    KINDS,
    PROMISED,
    RECENT,
    TOTALS,
    advice_over_time,
    batches_over_time,
    goal_drift,
    less_for_money,
)
from labelvalue.operate.refit.advice import case_for, case_text
from labelvalue.operate.store.configuration import Triggers
from labelvalue.operate.store.folders import FITS, RUNS, ProjectFolder, brought, current_batches, load
from labelvalue.operate.store.identity import digest_bytes
from labelvalue.operate.store.records import Record
from labelvalue.problems import InputError


def case_of(project: ProjectFolder, fit: Fit | None = None) -> Case | None:
    """Return the project's case where it has one that belongs to a fit; without a fit, as it is stated."""
    try:
        text = case_text(project)
        if text is None:
            return None
        return parse_case(text, file="case") if fit is None else case_for(text, fit, fit.settings["learners"])
    except InputError:  # told when advice is asked for; a batch is not refused for it
        return None


def digest_of_case(project: ProjectFolder) -> str | None:
    """Return the SHA-256 of the project's case; ``None`` without one, and where it cannot be read."""
    try:
        text = case_text(project)
    except InputError:  # told when advice is asked for
        return None
    return None if text is None else digest_bytes(text.encode())


def unit_worth(project: ProjectFolder, fit: Fit) -> dict[str, float] | None:
    """Return the expected money of a unit of error in each slice; ``None`` without a case."""
    case = case_of(project, fit)
    if case is None:
        return None
    return _by_slice(unit_value(fit, case.value, xr.DataArray(0.0)))


def price_of(fit: Fit, case: Case, labels: Mapping[str, int]) -> dict[str, float]:
    """Return what labels of each slice are expected to cost by the case."""
    known = {name: float(labels.get(str(name), 0)) for name in fit.slices}
    bought = xr.DataArray(list(known.values()), dims=names.SLICE, coords={names.SLICE: fit.slices})
    return _by_slice(label_cost(fit, case.costs, bought))


def _by_slice(money: xr.DataArray) -> dict[str, float]:
    """Expected money of each slice."""
    mean = money.mean([d for d in money.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(mean[names.SLICE].values, mean.values, strict=True)}


def training_pays(
    project: ProjectFolder, published: Record | None, brought: Sequence[Mapping[str, Any]], factor: float
) -> list[dict[str, Any]]:
    """Judge whether training on the labels that came since the published fit is worth more than it costs."""
    if published is None or project.configuration.case is None:
        return []
    fit = load(project.folder / FITS, published)
    case = case_of(project, fit)
    if case is None:
        return []
    more = new_labels(brought, published.content[names.LABELS_NOW])
    new = {str(name): more.get(str(name), 0) for name in fit.slices}
    net = retraining_benefit(recalibrated(fit, factor), case, new)
    chance, limit = float((net > 0).mean()), project.configuration.triggers.retraining
    found = {"trigger": "retraining", "limit": limit, "labels": sum(new.values()), "value": chance}
    return [{**found, "fired": state_of(chance, limit) == names.PASS, "worth": float(net.mean())}]


COLUMNS = (names.BATCH, names.SLICE, names.LABELS, names.COST, "cost_from", PROMISED, DELIVERED, "delivered_stderr")


def assets(folder: Path, records: Sequence[Record], fit: Fit | None, case: Case | None) -> pd.DataFrame:
    """Lay out what each batch added to each slice."""
    have: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    costs = {record.number: record.content.get(names.COST) for record in records if record.kind == "batch"}
    scores = {record.content["content"]: record.content for record in records if record.kind == "score"}
    told = {record.number: record for record in records if record.kind == "batch"}
    for batch in current_batches(records):
        largest = brought(folder, told[batch.number])[names.LABELS]
        added = {name: max(0, count - have.get(name, 0)) for name, count in largest.items()}
        have |= {name: have.get(name, 0) + count for name, count in added.items()}
        money, source = _money(costs[batch.number], added, fit, case)
        gains = _gains(scores.get(batch.content))
        for name, labels in added.items():
            about = {names.BATCH: batch.name, names.SLICE: name, names.LABELS: labels}
            rows.append({**about, names.COST: money.get(name), "cost_from": source, **gains.get(name, {})})
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({c: float for c in (names.COST, PROMISED, DELIVERED)})
    known = {name: table[name].notna().any() for name in TOTALS}
    table.attrs["total"] = {name: float(table[name].sum()) if known[name] else None for name in TOTALS}
    by_slice = table.groupby(names.SLICE)[list(TOTALS)].sum(min_count=1)
    table.attrs["total_by_slice"] = {str(k): v for k, v in by_slice.to_dict(orient="index").items()}
    return table


def spent(table: pd.DataFrame) -> float | None:
    """Return the money that all batches cost, ``None`` where that of some batch is not known."""
    known = table.loc[table[names.LABELS] > 0, names.COST]
    return float(known.sum()) if known.notna().all() else None


def _money(
    recorded: float | None, added: Mapping[str, int], fit: Fit | None, case: Case | None
) -> tuple[dict[str, float], str]:
    """What a batch cost, by slice: as recorded, shared out by labels, or else by the prices of the case."""
    total = sum(added.values())
    if recorded is not None:
        return {
            name: recorded * (count / total if total else 1.0 / len(added)) for name, count in added.items()
        }, "ledger"
    if fit is not None and case is not None:
        return price_of(fit, case, added), "case"
    return {}, ""


def _gains(score: Mapping[str, Any] | None) -> dict[str, dict[str, float]]:
    """Promised and delivered gain of each slice, over learners and suites."""
    cells = [cell for cell in (score or {}).get(CELLS, ()) if PROMISED in cell]
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        found.setdefault(cell[names.SLICE], []).append(cell)
    return {
        name: {
            PROMISED: sum(c[PROMISED] for c in group) / len(group),
            DELIVERED: sum(c[DELIVERED] for c in group) / len(group),
            "delivered_stderr": sum(c[names.TRUTH_STDERR] ** 2 for c in group) ** 0.5 / len(group),
        }
        for name, group in found.items()
    }


def assets_of(project: ProjectFolder) -> pd.DataFrame:
    """Lay out the labels of a project, with what is to be warned of."""
    fit = project.published
    records = project.ledger.records(*KINDS)
    case = None if fit is None else case_of(project, fit)
    table = assets(project.folder / RUNS, records, fit, case)
    table.attrs["over_time"] = batches_over_time(table, records)
    table.attrs["advice"] = advice_over_time(records)
    table.attrs["warnings"] = warnings(table, records, case)
    return table


def warnings(table: pd.DataFrame, records: Sequence[Record], case: Case | None) -> list[str]:
    """Say where recent batches bring too little, and where what is wanted has changed."""
    return [*_stagnation(table, case), *less_for_money(records), *goal_drift(records)]


def yields(table: pd.DataFrame, case: Case) -> pd.Series:
    """Return the drop in the mean error over slices, by volume, that each forecast batch brought per 1,000 labels."""
    known = table[table[DELIVERED].notna() & (table[names.LABELS] > 0)]
    volume = known[names.SLICE].map(lambda name: case.value.volume.get(name, 1.0)).astype(float)
    known = known.assign(volume=volume, gain=volume * known[DELIVERED])
    sums = known.groupby(names.BATCH, sort=False)[["gain", "volume", names.LABELS]].sum()
    return PER_LABELS * sums["gain"] / sums["volume"] / sums[names.LABELS]


def _stagnation(table: pd.DataFrame, case: Case | None) -> list[str]:
    rule = None if case is None else case.guardrails.minimum_gain
    if case is None or rule is None:
        return []
    recent = yields(table, case).tail(RECENT)
    if len(recent) < RECENT or not bool((recent < rule.limit).all()):
        return []
    best, least = float(recent.max()), rule.limit
    return [
        f"stagnation: each of the last {RECENT} batches gained at most {best:.4g} per 1,000 labels, asked: {least:g}"
    ]


def evaluate(
    brought: Sequence[Mapping[str, Any]], rules: Triggers, published: Record | None, scores: Sequence[Record]
) -> list[dict[str, Any]]:
    """Look at what a published fit has not seen."""
    before: Mapping[str, Any] = {} if published is None else published.content
    labels = sum(new_labels(brought, before.get(names.LABELS_NOW, {})).values())
    surprise = min((record.content["surprise"] for record in scores), default=1.0)
    known = before.get("learners")
    learners = [] if known is None else sorted({name for one in brought for name in one["learners"]} - {*known})
    return [
        {
            "trigger": "new_labels",
            "fired": bool(brought) and labels >= rules.new_labels,
            "value": labels,
            "limit": rules.new_labels,
        },
        {"trigger": "surprise", "fired": surprise < rules.surprise, "value": surprise, "limit": rules.surprise},
        {"trigger": "new_learner", "fired": bool(learners), "value": learners},
    ]


def triggered(
    project: ProjectFolder,
    published: Record | None,
    brought: Sequence[Mapping[str, Any]],
    scores: Sequence[Record],
    factor: float,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Judge every trigger; name what they are judged by beside the batches that stand, so that it can be done again."""
    found = evaluate(brought, project.configuration.triggers, published, scores)
    return found + training_pays(project, published, brought, factor), {
        "fit": None if published is None else published.content["fit"],
        "fit_record": None if published is None else published.number,
        "scored": [record.content["content"] for record in scores],
        "factor": factor,
        "case_sha256": digest_of_case(project),
    }


def new_labels(brought: Sequence[Mapping[str, Any]], before: Mapping[str, int]) -> dict[str, int]:
    """Return by slice the labels that it has more than ``before``, each at its largest size."""
    most: dict[str, int] = {}
    for one in brought:
        for name, count in one[names.LABELS].items():
            most[name] = max(count, most.get(name, 0))
    return {name: max(0, count - before.get(name, 0)) for name, count in most.items()}
