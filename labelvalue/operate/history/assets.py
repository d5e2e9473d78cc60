"""Labels as an asset: what was paid, what was promised, what came of it; and whether it is still worth going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.operate.history.over_time import (
    KINDS,
    RECENT,
    TOTALS,
    advice_over_time,
    batches_over_time,
    goal_drift,
    less_for_money,
)
from labelvalue.operate.history.scorecard import CELLS, DELIVERED, PROMISED
from labelvalue.operate.history.training_value import case_of, price_of
from labelvalue.operate.store.current_batches import brought, current_batches
from labelvalue.operate.store.folders import RUNS
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.operate.store.records import Record

COLUMNS = (names.BATCH, names.SLICE, names.LABELS, names.COST, "cost_from", PROMISED, DELIVERED, "delivered_stderr")


def assets(folder: Path, records: Sequence[Record], fit: Fit | None, case: Case | None) -> pd.DataFrame:
    """Lay out what each batch added to each slice."""
    have: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    costs = {record.number: record.content.get(names.COST) for record in records if record.kind == "batch"}
    scores = {record.content["content"]: record.content for record in records if record.kind == "score"}
    told = {record.number: record for record in records if record.kind == "batch"}
    for batch in current_batches(records):
        added = _added(brought(folder, told[batch.number])[names.LABELS], have)
        money, source = _money(costs[batch.number], added, fit, case)
        gains = _gains(scores.get(batch.content))
        for name, labels in added.items():
            about = {names.BATCH: batch.name, names.SLICE: name, names.LABELS: labels}
            rows.append({**about, names.COST: money.get(name), "cost_from": source, **gains.get(name, {})})
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({c: float for c in (names.COST, PROMISED, DELIVERED)})
    table.attrs["total"] = {name: _sum(table[name]) for name in TOTALS}
    by_slice = table.groupby(names.SLICE)[list(TOTALS)].sum(min_count=1)
    table.attrs["total_by_slice"] = {str(k): v for k, v in by_slice.to_dict(orient="index").items()}
    return table


def spent(table: pd.DataFrame) -> float | None:
    """Return the money that all batches cost, ``None`` where that of some batch is not known."""
    known = table.loc[table[names.LABELS] > 0, names.COST]
    return float(known.sum()) if known.notna().all() else None


def _sum(column: pd.Series) -> float | None:
    return float(column.sum()) if column.notna().any() else None


def _added(largest: Mapping[str, int], have: dict[str, int]) -> dict[str, int]:
    """Labels that a batch adds to each of its slices, which are then had."""
    added = {name: max(0, count - have.get(name, 0)) for name, count in largest.items()}
    have |= {name: have.get(name, 0) + count for name, count in added.items()}
    return added


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
    fit, configuration = project.published, project.configuration
    records = project.ledger.records(*KINDS)
    case = None if fit is None else case_of(project.folder, configuration, fit)
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
