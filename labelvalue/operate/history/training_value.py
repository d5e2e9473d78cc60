"""Money in a project: what a unit of error is worth, what labels cost, and whether training on them pays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.costs import Costs
from labelvalue.decisions.case.guardrails import Guardrails
from labelvalue.decisions.case.value import unit_value
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.spending import label_cost
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.fitting.result import Fit
from labelvalue.operate.refit.advice import case_digest, case_for, case_text
from labelvalue.operate.refit.refit import load
from labelvalue.operate.refit.triggers import new_labels
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.folders import FITS
from labelvalue.operate.store.records import Record
from labelvalue.problems import InputError


def case_of(folder: Path, configuration: Configuration, fit: Fit) -> Case | None:
    """Return the project's case where it has one that belongs to a fit."""
    try:
        text = case_text(folder, configuration)
        return None if text is None else case_for(text, fit, fit.settings["learners"])
    except InputError:  # told when advice is asked for; a batch is not refused for it
        return None


def digest_of_case(folder: Path, configuration: Configuration) -> str | None:
    """Return the SHA-256 of the project's case; ``None`` without one, and where it cannot be read."""
    try:
        text = case_text(folder, configuration)
    except InputError:  # told when advice is asked for
        return None
    return None if text is None else case_digest(text)


def unit_worth(folder: Path, configuration: Configuration, fit: Fit) -> dict[str, float] | None:
    """Return the expected money of a unit of error in each slice; ``None`` without a case."""
    case = case_of(folder, configuration, fit)
    if case is None:
        return None
    money = unit_value(fit, case.value, xr.DataArray(0.0))
    money = money.mean([d for d in money.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(money[names.SLICE].values, money.values, strict=True)}


def price_of(fit: Fit, case: Case, labels: Mapping[str, int]) -> dict[str, float]:
    """Return what labels of each slice are expected to cost by the case."""
    known = {name: float(labels.get(str(name), 0)) for name in fit.slices}
    bought = xr.DataArray(list(known.values()), dims=names.SLICE, coords={names.SLICE: fit.slices})
    money = label_cost(fit, case.costs, bought)
    money = money.mean([d for d in money.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(fit.slices, money.values, strict=True)}


def training_pays(
    folder: Path,
    configuration: Configuration,
    published: Record | None,
    brought: Sequence[Mapping[str, Any]],
    factor: float,
) -> list[dict[str, Any]]:
    """Judge whether training on the labels that came since the published fit is worth more than it costs."""
    if published is None or configuration.case is None:
        return []
    fit = load(folder / FITS, published)
    case = case_of(folder, configuration, fit)
    if case is None:
        return []
    more = new_labels(brought, published.content[names.LABELS_NOW])
    new = {str(name): more.get(str(name), 0) for name in fit.slices}
    return [pays(recalibrated(fit, factor), case, new, configuration.triggers.retraining)]


def pays(fit: Fit, case: Case, new_labels: Mapping[str, int], probability: float) -> dict[str, Any]:
    """Judge whether training on labels that are paid for is worth more than it costs."""
    kept = {key: getattr(case.costs, key) for key in ("retraining", "compute_per_hour", "retraining_fails")}
    costs = Costs(price_per_label=0.0, **kept)
    free = dataclasses.replace(case, costs=costs, guardrails=Guardrails(), slices={})
    found = {"trigger": "retraining", "limit": probability, "labels": sum(new_labels.values())}
    if not any(new_labels.values()):
        return {**found, "fired": False, "value": 0.0}
    net = plan_outcomes(fit, free, {"retrain": dict(new_labels)})[names.NET_BENEFIT].sel({names.PLAN: "retrain"})
    chance = float((net > 0).mean())
    return {**found, "fired": chance >= probability, "value": chance, "worth": float(net.mean())}
