"""From the runs table to what a model sees: one row of numbers per curve, knot and slot.

A *curve* is a slice under a learner. Its runs are summed over replicates of the same training-set size
into cells, and cells are laid out by their distance below the reference size in half doublings, the
*knots* of the shape discrepancy. Everything a likelihood needs is here; nothing is fitted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import digamma, polygamma

from labelvalue import names
from labelvalue.model.curves import HALF_LABEL

KNOTS_PER_DOUBLING = 2
MEMORY = 4.0
"""Doublings below the reference that inform a fit; what lies further back says little about what comes."""
LEAST_SIZES = 3
"""Sizes that are kept whatever their distance, and that a slice needs to stand on its own."""

TYPICAL_ELASTICITY = 0.05
"""Elasticity at which the prior of the shape discrepancy is stated."""
LEAST_VARIANCE = 1e-6
"""Least variance of a run's log error where the metric is given as a value: a tenth of a percent."""

CURVE, KNOT, SLOT = "curve", "knot", "slot"


def _cells(runs: xr.Dataset) -> pd.DataFrame:
    """Sum runs of one curve, size and composition; keep their scatter as a second statistic."""
    wanted = [names.SLICE, names.LEARNER, names.LABELS, names.OTHER_LABELS, names.EVALUATION_SET, names.ERROR]
    counts = names.ERRORS in runs
    wanted += [names.ERRORS, names.TRIALS] if counts else [names.ERROR_STDERR]
    frame = runs[wanted].to_dataframe().reset_index(drop=True)
    sets = [names.SLICE, names.LEARNER, names.EVALUATION_SET]
    reused = frame.groupby(sets)[names.ERROR].transform("size") > 1
    frame[names.SHARED] = (frame[names.EVALUATION_SET] != "") & reused
    keys = [names.SLICE, names.LEARNER, names.LABELS, names.OTHER_LABELS]
    grouped = frame.groupby(keys, sort=True)
    cells = grouped.agg(runs=(names.ERROR, "size"), mean=(names.ERROR, "mean"), shared=(names.SHARED, "mean"))
    if counts:
        totals = grouped[[names.ERRORS, names.TRIALS]].sum()
        wrong, trials = totals[names.ERRORS] + 0.5, totals[names.TRIALS] + 1.0
        # Mean and variance of log p under Jeffreys' posterior: defined at 0 errors. As a likelihood pooled over cells
        # they read the error too high, by about half of one over the errors of a cell.
        cells["log_error"] = digamma(wrong) - digamma(trials)
        cells["sampling_variance"] = polygamma(1, wrong) - polygamma(1, trials)
        level = wrong / trials
        # Counts are whole, so equal runs are equal to within a rounding: no variance is ever quite 0.
        cells["rounding"] = cells["runs"] / (12.0 * wrong**2)
    else:
        least = frame.loc[frame[names.ERROR] > 0, names.ERROR].min() if (frame[names.ERROR] > 0).any() else 1.0
        level = cells["mean"].clip(lower=0.5 * least)
        mean_variance = grouped[names.ERROR_STDERR].agg(lambda s: float(np.mean(s**2)))
        relative = mean_variance / level**2 / cells["runs"]
        cells["log_error"] = np.log(level) - 0.5 * relative.clip(upper=1.0)
        cells["sampling_variance"] = relative
        cells["rounding"] = LEAST_VARIANCE / cells["runs"]
    within = [*keys, names.EVALUATION_SET]
    frame = frame.join(level.rename("level"), on=keys)
    # Runs that share a set scatter about their set's mean; runs on sets of their own about the cell's.
    set_mean = frame.groupby(within)[names.ERROR].transform("mean")
    cell_mean = frame.groupby(keys)[names.ERROR].transform("mean")
    centre = np.where(frame[names.SHARED], set_mean, cell_mean)
    frame["square"] = ((frame[names.ERROR] - centre) / frame["level"]) ** 2
    cells["scatter"] = frame.groupby(keys)["square"].sum()
    sets_used = frame.assign(s=frame[names.EVALUATION_SET]).groupby(keys)["s"].nunique()
    cells["scatter_df"] = np.where(cells[names.SHARED] > 0, cells["runs"] - sets_used, cells["runs"] - 1)
    return cells.reset_index()


def _reference(cells: pd.DataFrame) -> pd.DataFrame:
    """Largest labels of each curve, and the other slices' labels that went with it."""
    keys = [names.SLICE, names.LEARNER]
    largest = cells.loc[cells.groupby(keys)[names.LABELS].transform("max") == cells[names.LABELS]]
    reference = largest.groupby(keys).agg(labels=(names.LABELS, "first"), other_labels=(names.OTHER_LABELS, "mean"))
    every = pd.MultiIndex.from_product(
        [sorted(cells[names.SLICE].unique()), sorted(cells[names.LEARNER].unique())], names=keys
    )
    reference = reference.reindex(every)
    empty = ~(reference["labels"] > 0)
    if empty.any():  # the curve of a slice without labels is anchored where its neighbours are
        known = reference.loc[~empty, "labels"]
        reference.loc[empty, "labels"] = np.round(np.exp(np.log(known).mean())) if len(known) else 100.0
        reference[names.OTHER_LABELS] = (
            reference[names.OTHER_LABELS].fillna(reference[names.OTHER_LABELS].mean()).fillna(0.0)
        )
    return reference


def observe(runs: xr.Dataset) -> xr.Dataset:
    """Lay the runs out for a model.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``, as :func:`labelvalue.read_runs` returns it, of one suite and strategy.

    Returns
    -------
    xarray.Dataset
        Dims ``curve`` (every slice under every learner, sorted), ``knot`` (distances below the reference,
        nearest first) and ``slot`` (cells at one knot). Per curve: ``reference_labels``,
        ``reference_other_labels``, ``sizes`` (distinct sizes used). Per (curve, knot): ``distance`` in doublings. Per
        (curve, knot, slot): ``labels``, ``other_labels``, ``log_error``, ``sampling_variance`` and
        ``rounding`` (variances of the log error), ``runs`` summed, ``shared`` (share on a common evaluation set),
        ``scatter`` (sum of squared relative deviations between runs), ``scatter_df``, ``log_total_ratio``
        (log of all labels in the training set over those at the reference), ``used`` (1 or 0).

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> observe(fake_runs(seed=1)).sizes["curve"]
    4
    """
    cells = _cells(runs)
    reference = _reference(cells)
    keys = [names.SLICE, names.LEARNER]
    cells = cells.join(reference.add_prefix("reference_"), on=keys)
    own = cells[names.LABELS].clip(lower=HALF_LABEL)
    cells["distance"] = np.maximum(np.log2(cells[names.REFERENCE_LABELS] / own), 0.0)
    cells["bin"] = np.round(cells["distance"] * KNOTS_PER_DOUBLING).astype(int)
    rank = cells.groupby(keys)["bin"].rank(method="dense")
    cells = cells[(cells["distance"] <= MEMORY + 0.5 / KNOTS_PER_DOUBLING) | (rank <= LEAST_SIZES)].copy()
    cells["knot"] = cells.groupby(keys)["bin"].rank(method="dense").astype(int) - 1
    cells["slot"] = cells.groupby([*keys, "knot"]).cumcount()
    curve = reference.index.get_indexer(pd.MultiIndex.from_frame(cells[keys]))

    shape = (len(reference), int(cells["knot"].max()) + 1, int(cells["slot"].max()) + 1)
    place = (curve, cells["knot"].to_numpy(), cells["slot"].to_numpy())

    def grid(column: str, empty: float) -> tuple[tuple[str, ...], np.ndarray]:
        out = np.full(shape, empty)
        out[place] = cells[column].to_numpy(float)
        return (CURVE, KNOT, SLOT), out

    distance = np.zeros(shape[:2])
    distance[place[:2]] = cells["bin"].to_numpy() / KNOTS_PER_DOUBLING
    distance = np.maximum.accumulate(distance, axis=1)
    labelled = cells.assign(curve=curve)[cells[names.LABELS] > 0]
    sizes = labelled.groupby("curve")["bin"].nunique().reindex(range(shape[0]), fill_value=0)
    reference_labels = reference[names.LABELS].to_numpy(float)
    used = np.zeros(shape)
    used[place] = 1.0
    observations = xr.Dataset(
        {
            names.LABELS: grid(names.LABELS, 1.0),
            names.OTHER_LABELS: grid(names.OTHER_LABELS, 0.0),
            "log_error": grid("log_error", 0.0),
            "sampling_variance": grid("sampling_variance", 1.0),
            "rounding": grid("rounding", 0.0),
            "runs": grid("runs", 1.0),
            names.SHARED: grid(names.SHARED, 0.0),
            "scatter": grid("scatter", 0.0),
            "scatter_df": grid("scatter_df", 0.0),
            "used": ((CURVE, KNOT, SLOT), used),
            "distance": ((CURVE, KNOT), distance),
            names.REFERENCE_LABELS: (CURVE, reference_labels),
            names.REFERENCE_OTHER_LABELS: (CURVE, reference[names.OTHER_LABELS].to_numpy(float)),
            names.SIZES: (CURVE, sizes.to_numpy()),
        },
        coords={
            names.SLICE: (CURVE, reference.index.get_level_values(0).to_numpy(object)),
            names.LEARNER: (CURVE, reference.index.get_level_values(1).to_numpy(object)),
        },
        attrs={names.UPPER: float(runs.attrs[names.UPPER])},
    )
    empty = observations["used"].values == 0
    for column, at in ((names.LABELS, names.REFERENCE_LABELS), (names.OTHER_LABELS, names.REFERENCE_OTHER_LABELS)):
        filler = np.broadcast_to(observations[at].values[:, None, None], shape)
        observations[column] = (CURVE, KNOT, SLOT), np.where(empty, filler, observations[column].values)
    together = observations[names.LABELS] + observations[names.OTHER_LABELS]
    anchor = observations[names.REFERENCE_LABELS] + observations[names.REFERENCE_OTHER_LABELS]
    return observations.assign(log_total_ratio=xr.apply_ufunc(np.log, together.clip(min=1.0) / anchor))
