"""A round on one's own model: train and decide again, and compare what labels brought with what was promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE, Origin
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS
from labelvalue.observe.simulate.evaluation import evaluation_id
from labelvalue.observe.simulate.execution import Execution
from labelvalue.observe.simulate.learners import fit_learner, take
from labelvalue.observe.simulate.protocol import Protocol, read_protocol
from labelvalue.observe.simulate.simulate_runs import simulate_runs
from labelvalue.observe.simulate.simulation import check_data
from labelvalue.observe.table.runs import read_runs
from labelvalue.operate.history import scorecard
from labelvalue.operate.items.choosing import labelled_rows
from labelvalue.operate.refit.refit import load
from labelvalue.operate.store.current_batches import current_batches
from labelvalue.operate.store.folders import FITS, inside
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.problems import input_error

BEFORE, GAIN, CAME, INSIDE = "before", "gain", "came", "inside"


def labelled(X: Any, y: Any, slices: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Leave out the items that have no label yet, and slices that have none."""
    there = labelled_rows(y)
    X, _, texts = check_data(X, np.zeros(len(y)), slices)
    return take(X, there), np.asarray(np.asarray(y, dtype=object)[there].tolist()), texts[there]


def runs_of_round(
    project: ProjectFolder,
    estimator: Any,
    data: tuple[Any, Any, Any],
    protocol: Protocol | None,
    execution: Execution,
    random_state: int | None,
) -> xr.Dataset:
    """Train on parts of the labels so far, by the project's protocol where it has one and no other is given."""
    configured = project.configuration.protocol
    if protocol is None and configured is not None:
        protocol = read_protocol(inside(project.folder, configured))
    return simulate_runs(estimator, *labelled(*data), protocol=protocol, execution=execution, random_state=random_state)


def name_of_round(project: ProjectFolder) -> str:
    """Name the round after the batches that stand."""
    batches = current_batches(project.ledger.records("batch"))
    taken, number = {batch.name for batch in batches}, len(batches) + 1
    while f"round {number}" in taken:
        number += 1
    return f"round {number}"


def realised(
    project: ProjectFolder,
    estimator: Any,
    data: tuple[Any, Any, Any],
    test: tuple[Any, Any, Any],
    learner: str,
    random_state: int,
) -> pd.DataFrame:
    """Compare the errors of a model trained on all labels so far with what the last fit made on fewer promised."""
    x, y, slices = labelled(*data)
    test_x, test_y, test_slices = labelled(*test)
    wrong = fit_learner(estimator, x, y, random_state).predict(test_x) != test_y
    counts = pd.Series(slices).value_counts()
    rows = []
    for name in sorted(set(test_slices) & set(slices)):
        here = test_slices == name
        own = int(counts[name])
        row = {
            names.SLICE: name,
            names.LABELS: own,
            names.OTHER_LABELS: int(counts.sum()) - own,
            names.LEARNER: learner,
        }
        row |= {names.ERRORS: int(wrong[here].sum()), names.TRIALS: int(here.sum())}
        rows.append(row | {names.EVALUATION_SET: evaluation_id(np.flatnonzero(here), "realised")})
    measured = read_runs(pd.DataFrame(rows))
    for record in reversed([r for r in project.ledger.records("fit") if r.content["published"]]):
        fit = load(project.folder / FITS, record)
        if names.ERRORS not in fit.runs:
            why, fix = "the project's runs are no counts of errors", "add its runs by hand; the scorecard compares them"
            raise input_error(why, fix, column=names.ERRORS)
        origin = scorecard.origin_of(fit, measured)
        if not origin.future.empty:
            return _compared(origin, fit, record.content["fit"])
    why = "no published fit that saw fewer labels of any of these slices"
    raise input_error(why, "call it with the new labels, before the next round", column=names.LABELS)


def _compared(origin: Origin, fit: Fit, called: str) -> pd.DataFrame:
    cells, samples = scorecard.forecast_batch(fit, origin)
    samples = scorecard.measured_samples(cells, samples, fit.settings["random_seed"])
    table = cells.reset_index()
    now = scorecard.expected_now(fit).reindex(pd.MultiIndex.from_frame(table[CURVE])).to_numpy()
    low, high = np.quantile(samples, TAILS, axis=1)
    truth = table[names.TRUTH].to_numpy()
    found = pd.DataFrame(
        {
            names.SLICE: table[names.SLICE],
            names.LABELS: table[names.LABELS].astype(int),
            BEFORE: now,
            "promised": now - samples.mean(axis=1),
            "lower": now - high,
            "upper": now - low,
            CAME: now - truth,
            INSIDE: (low <= truth) & (truth <= high),
        }
    )
    found.attrs = {"fit": called, names.CI_PROB: TAILS[1] - TAILS[0]}
    return found
