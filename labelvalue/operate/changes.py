"""Why a forecast changed between two re-fits: each difference put in by itself, and fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast import predict_gain
from labelvalue.forecast.curves import curve_dims
from labelvalue.model import Fit
from labelvalue.operate import refit as fits
from labelvalue.operate.batches import Batch, joint_runs
from labelvalue.operate.places import FITS, RUNS
from labelvalue.operate.project import Project
from labelvalue.operate.records import Record
from labelvalue.problems import InputError, Problem
from labelvalue.report.budgets import default_budgets

STEP, BEFORE, AFTER, CHANGE = "step", "before", "after", "change"


def explain(project: Project, *, budget: int | None, progress: bool) -> pd.DataFrame:
    """Walk from the last published fit but one to the last, one difference at a time; changes add up."""
    records = [r for r in project.ledger.records() if r.kind == "fit" and r.content["published"]]
    if len(records) < 2:
        why = f"{len(records)} fit{'' if len(records) == 1 else 's'} published; a change needs two"
        raise InputError([Problem(why=why, fix="add a batch and run 'labelvalue refit DIR'")])
    earlier, later = records[-2:]
    first, last = (fits.load(project.folder / FITS, record) for record in (earlier, later))
    labels = budget or max(default_budgets(last))
    rows, before = [], _expected(first, labels)
    for step, fit in _steps(project, earlier, later, last, progress):
        after = _expected(fit, labels)
        rows += _rows(step, labels, before, after)
        before = after
    return pd.DataFrame(rows)


def _steps(project: Project, earlier: Record, later: Record, last: Fit, progress: bool) -> list[tuple[str, Fit]]:
    """Name each difference, with the fit in which it and those before it are put in; the last is the later fit.

    Fits in between run on today's code.
    """
    old, new = (_spec(project, record) for record in (earlier, later))
    changed = [name for name, parts in _PARTS if any(_of(old, part) != _of(new, part) for part in parts)]
    spec, made = old, []
    for name in changed:
        spec = _with(spec, new, dict(_PARTS)[name])
        fit = last if name == changed[-1] else fits.fit_spec(_runs(project, spec), spec, progress=progress)
        made.append((name, fit))
    return made


_PARTS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("code", (("code",),)),
    ("data", (("runs",), ("batches",), (names.LABELS_NOW,))),
    ("model and priors", (("model",), ("fit", "model"))),
    ("settings", (("fit", "random_seed"), ("fit", "draws"), ("fit", "tune"), ("fit", "chains"), ("fit", "classes"))),
)
"""The differences in their order, and where in a specification each stands."""


def _of(spec: Mapping[str, Any], part: tuple[str, ...]) -> Any:
    return spec[part[0]] if len(part) == 1 else spec[part[0]][part[1]]


def _with(spec: Mapping[str, Any], other: Mapping[str, Any], parts: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Return a specification with some parts of another."""
    made = {key: dict(value) if isinstance(value, dict) else value for key, value in spec.items()}
    for part in parts:
        if len(part) == 1:
            made[part[0]] = other[part[0]]
        else:
            made[part[0]][part[1]] = _of(other, part)
    return made


def _spec(project: Project, record: Record) -> dict[str, Any]:
    path = project.folder / FITS / record.content["fit"] / fits.SPEC
    return json.loads(path.read_text(encoding="utf-8"))


def _runs(project: Project, spec: Mapping[str, Any]) -> xr.Dataset:
    return joint_runs(project.folder / RUNS, [Batch(**batch) for batch in spec["batches"]])


def _expected(fit: Fit, labels: int) -> pd.Series:
    """Expected gain of each slice, over learners and suites where there are several."""
    gain = predict_gain(fit, [labels]).isel({names.BUDGET: 0})
    others = [names.CHAIN, names.DRAW, *(d for d in curve_dims(fit) if d != names.SLICE)]
    mean = gain.mean(others)
    return pd.Series(mean.values, index=mean[names.SLICE].values.astype(str))


def _rows(step: str, labels: int, before: pd.Series, after: pd.Series) -> list[dict[str, Any]]:
    slices = sorted({*before.index, *after.index})
    values = zip(before.reindex(slices).tolist(), after.reindex(slices).tolist(), strict=True)
    return [
        {STEP: step, names.BUDGET: labels, names.SLICE: name, BEFORE: old, AFTER: new, CHANGE: new - old}
        for name, (old, new) in zip(slices, values, strict=True)
    ]
