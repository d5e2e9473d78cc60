"""What a batch would change: all runs fitted with it, beside the published fit; nothing is recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting.result import Fit
from labelvalue.observe.table.runs import read_runs
from labelvalue.operate.refit.arrival import together
from labelvalue.operate.refit.refit import fit_spec, gather
from labelvalue.operate.store.batches import Joint, content_digest
from labelvalue.operate.store.current_batches import current_batches
from labelvalue.operate.store.folders import RUNS, published
from labelvalue.problems import input_error, quote
from labelvalue.report.numbers.tables import default_budgets

if TYPE_CHECKING:
    from labelvalue.operate.store.project_folder import ProjectFolder

BEFORE, AFTER = "before", "after"
SD_BEFORE, SD_AFTER = "sd_before", "sd_after"
NEW = "the batch that is previewed"
UNREAD = "unread"  # stands for the digest of runs where nothing hangs on it


def preview(
    project: ProjectFolder, runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset, *, progress: bool = True
) -> pd.DataFrame:
    """Fit all batches that stand and one more."""
    records, configuration = project.ledger.records("batch", "fit"), project.configuration
    before = project.published if published(records) is not None else None
    if before is None:
        raise input_error("no fit is published to start from", "run 'labelvalue refit DIR'")
    table = runs if isinstance(runs, xr.Dataset) else read_runs(runs, metric=configuration.runs.metric)
    batches = current_batches(records)
    if same := next((batch.name for batch in batches if batch.content == content_digest(table)), None):
        raise input_error(f"these runs are in already, as batch {quote(same)}", "preview runs that are not")
    spec = gather(Joint(project.folder / RUNS, batches, UNREAD), configuration).spec
    after = fit_spec(together(project, records, batches, before, table, NEW), spec, progress=progress)
    labels = max(default_budgets(before))
    found = pd.concat([_moments(before, labels), _moments(after, labels)], axis=1)
    found.columns = [BEFORE, SD_BEFORE, AFTER, SD_AFTER]
    made = found[[BEFORE, AFTER, SD_BEFORE, SD_AFTER]].reset_index()
    made.attrs = {
        names.BUDGET: labels,
        "verdict": after.diagnostics.verdict,
        "reasons": list(after.diagnostics.reasons),
    }
    return made


def _moments(fit: Fit, labels: int) -> pd.DataFrame:
    """Means and standard deviations of gain and elasticity, by quantity and curve."""
    only = {names.LEARNER: fit.settings["learners"], names.SUITE: fit.settings["suites"]}
    gain = predict_gain(fit, [labels]).isel({names.BUDGET: 0}, drop=True)
    parts = {}
    for quantity, draws in ((names.GAIN, gain), (names.ELASTICITY, fit.posterior[names.ELASTICITY])):
        whole = draws.expand_dims({dim: found for dim, found in only.items() if dim not in draws.dims})
        whole = whole.transpose(*CURVE, ...).reset_coords(drop=True)
        moments = {"mean": whole.mean(names.SAMPLE), "sd": whole.std(names.SAMPLE)}
        parts[quantity] = xr.Dataset(moments).to_dataframe()[["mean", "sd"]]
    return pd.concat(parts, names=["quantity"])
