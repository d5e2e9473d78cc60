"""Fits changed where a test needs it, with nothing sampled and nothing derived again; and cases for them."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import Case, Fit, names
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting import result
from labelvalue.model.fitting.result import POSITION, luck_of_items

Part = xr.Dataset | Mapping[str, Any] | None
"""Another part of a fit, or the variables that differ in it."""


def altered(
    fit: Fit,
    *,
    posterior: Part = None,
    position: Part = None,
    runs: Part = None,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Fit:
    """The same fit with other draws, position, runs, or settings; and with what else is given, such as a model."""
    tree = fit.tree.copy()
    parts = {names.POSTERIOR: posterior, POSITION: position, names.RUNS: runs}
    for group, part in parts.items():
        if part is not None:
            made = part if isinstance(part, xr.Dataset) else tree[group].to_dataset().assign(part)
            tree[group] = xr.DataTree(made)
    if settings is not None:
        tree.attrs = fit.tree.attrs | {"settings": json.dumps(fit.settings | settings)}
    return dataclasses.replace(fit, tree=tree, **more)


def judged(fit: Fit, verdict: str, *reasons: str) -> Fit:
    """The same fit under another verdict."""
    return dataclasses.replace(fit, diagnostics=dataclasses.replace(fit.diagnostics, verdict=verdict, reasons=reasons))


def with_suites(fit: Fit) -> Fit:
    """The fit of two learners, named as suites are, as one of one learner on two suites."""
    both = [str(name) for name in fit.posterior[names.LEARNER].values]
    one = (names.RUN, np.array(["default"] * fit.runs.sizes[names.RUN], dtype=object))
    of = (names.RUN, fit.runs[names.LEARNER].values)
    return altered(
        fit,
        posterior=fit.posterior.rename({names.LEARNER: names.SUITE}),
        position=fit.position.rename({names.LEARNER: names.SUITE}),
        runs={names.SUITE: of, names.LEARNER: one},
        settings={"learners": ["default"], "suites": both},
    )


def case_of(price: Any = 0.1, point: Any = 400, costs: Any = None, value: Any = None, **more: Any) -> Case:
    """A case with a price of labels and what a point of error is worth, and what else costs, counts or is asked for."""
    costs, value = {"price_per_label": price} | (costs or {}), {"per_error_point": point} | (value or {})
    return Case(costs=costs, value=value, **more)


def share_items(fit: Fit, slices: Sequence[str], times: float = 1.0) -> Fit:
    """A fake fit whose runs of some slices share one evaluation set each, ``times`` as many items as a run had."""
    position, walks = fit.position, fit.walks
    level = (1.0 - fit.posterior[names.ERROR_REFERENCE].mean(names.SAMPLE)) ** 2
    shared = position[names.SLICE].isin(list(slices)) * position[names.ONE_RUN_VARIANCE] / times / level
    position = position.assign({names.ITEMS_VARIANCE: shared})
    posterior = fit.posterior.assign({names.LUCK: luck_of_items(fit.posterior, position, walks)})
    posterior = posterior.assign(at_now(posterior, position, fit.model, walks).data_vars)
    runs, theirs = fit.runs, fit.runs[names.SLICE].isin(list(slices))
    counts = {
        key: runs[key].where(~theirs, np.round(times * runs[key])).astype(int) for key in (names.ERRORS, names.TRIALS)
    }
    runs = runs.assign(counts | {names.EVALUATION_SET: runs[names.EVALUATION_SET].where(~theirs, "shared")})
    return result.altered(fit, {names.POSTERIOR: posterior, POSITION: position, names.RUNS: runs})
