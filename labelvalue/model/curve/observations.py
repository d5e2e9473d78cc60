"""From the runs table to what a model sees: one row of numbers per curve, knot and slot.

A *curve* is a slice under a learner on a suite. Its runs are summed over replicates of one training-set size into
cells, laid out by their distance below the reference size in half doublings, the *knots* of the shape discrepancy.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.problems import did_you_mean
from labelvalue.settings import is_number

HALF_LABEL = 0.5  # stands for a training set without own labels, as in Haldane's correction: no logarithm of 0 is taken
CURVE_KEYS = [names.SLICE, names.LEARNER, names.SUITE]  # what makes a curve
CELL_KEYS = [*CURVE_KEYS, names.LABELS, names.OTHER_LABELS, names.STRATEGY, names.LABEL_NOISE]
"""What makes a cell; where runs differ in diversity or in weight, that too."""
CURVE, KNOT, SLOT = "curve", "knot", "slot"
SHARED_ITEMS = "alike"  # share of a run's sampling variance that its whole curve has: that of the items that they share
CELL = "cell"  # a cell's place among all of them, sorted by what makes it

TREND_COUNTS = 400.0
"""Wrong answers that a curve's log-linear trend counts for where a cell's sampling variance is worked out."""
LARGE = 0.5
"""Share of a curve's largest labels from which on runs count where it is asked what evaluation items they share."""
LEAST_VARIANCE = 1e-6  # least variance of a run's log error where the metric is given as a value: a tenth of a percent


def diversity_varies(runs: xr.Dataset) -> bool:
    """Whether the runs say how diverse their labels are, and differ in it."""
    return names.DIVERSITY in runs and len(np.unique(runs[names.DIVERSITY].dropna(names.RUN).values)) > 1


def sum_runs(runs: xr.Dataset) -> pd.DataFrame:
    """Sum the runs of each cell; keep their scatter as a second statistic."""
    counts, keys = names.ERRORS in runs, list(CELL_KEYS)
    wanted = [*keys, names.EVALUATION_SET, names.ERROR]
    wanted += [names.ERRORS, names.TRIALS] if counts else [names.ERROR_STDERR]
    frame = runs[wanted].to_dataframe().reset_index(drop=True)
    frame[names.LABEL_NOISE] = frame[names.LABEL_NOISE].fillna(0.0)
    if diversity_varies(runs):
        keys.append(names.LOG_DIVERSITY)
        frame[names.LOG_DIVERSITY] = np.log(runs[names.DIVERSITY].fillna(1.0).values)
    if names.WEIGHT in runs:
        keys.append(names.WEIGHT)
        frame[names.WEIGHT] = runs[names.WEIGHT].values
    frame[CURVE], frame[CELL] = (frame.groupby(by).ngroup() for by in (CURVE_KEYS, keys))
    frame = frame.join(_sharing(frame))
    grouped = frame.groupby(CELL)
    means = grouped[[names.ERROR, "set_weight", "apart"]].mean().rename(columns={names.ERROR: "mean"})
    cells = grouped[[*keys, CURVE, SHARED_ITEMS]].first().join(means).assign(runs=grouped.size())
    if counts:
        totals = grouped[[names.ERRORS, names.TRIALS]].sum()
        moments = _count_moments(totals[names.ERRORS], totals[names.TRIALS], cells)
    else:
        moments = _value_moments(grouped, cells)
    cells = cells.join(moments).join(_scatter(frame, moments["level"]))
    return cells.drop(columns=CURVE).reset_index(drop=True)


def _sharing(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether each run's evaluation set is its own, its size's, or the whole curve's."""
    curve, labels = frame[CURVE], frame[names.LABELS]
    own = frame.groupby([CURVE, names.EVALUATION_SET]).ngroup()
    reused = (frame[names.EVALUATION_SET] != "") & (own.groupby(own).transform("size") > 1)
    spans = labels.groupby(own).transform("nunique") > 1
    together = own.groupby([frame[CELL], own]).transform("size")
    weight = np.where(reused, np.where(spans, 0.0, together), 1.0)
    # A set that m of a curve's n largest runs were evaluated on has m/n of their mean: (m/n)² of its variance, m times.
    near = (labels >= LARGE * labels.groupby(curve).transform("max")).astype(float)
    of_set, of_curve = (near.groupby(by).transform("sum") for by in (own, curve))
    alike = (near * (reused & spans) * of_set / of_curve**2).groupby(curve).transform("sum")
    return pd.DataFrame(
        {"set_weight": weight, "apart": (~reused).astype(float), SHARED_ITEMS: alike}, index=frame.index
    )


def _count_moments(errors: pd.Series, trials: pd.Series, cells: pd.DataFrame) -> pd.DataFrame:
    """Log error of counts, log((k + ½) / (n + ½)), and its variances, of a rate shrunk towards the curve's trend.

    By its own variance a cell with few wrong answers by chance would count for less, and the error be read too high.
    """
    wrong = errors + 0.5
    log_error = pd.Series(np.log(wrong / (trials + 0.5)))
    rough = _trend(log_error, trials.astype(float), cells)
    trend = np.exp(_trend(log_error, trials * np.exp(rough), cells))
    level = (errors + TREND_COUNTS) / (trials + TREND_COUNTS / trend)
    expected = trials * level
    variance = scipy.special.polygamma(1, expected + 0.5) - scipy.special.polygamma(1, trials + 1.0)
    # Counts are whole, so equal runs are equal to within a rounding: no variance is ever quite 0.
    rounding = cells["runs"] / (12.0 * (expected + 0.5) ** 2)
    return _moments(log_error, variance, rounding, level)


def _value_moments(grouped: pd.api.typing.DataFrameGroupBy, cells: pd.DataFrame) -> pd.DataFrame:
    """Log error and its variances from values with standard errors; zero errors count as half the least positive."""
    mean = cells["mean"]
    least = mean[mean > 0].min() if (mean > 0).any() else 1.0
    own = mean.clip(lower=0.5 * least)
    variance = grouped[names.ERROR_STDERR].agg(lambda s: float(np.mean(s**2))) / cells["runs"]
    information = own**2 / variance
    trend = np.exp(_trend(pd.Series(np.log(own)), cells["runs"].astype(float), cells))
    level = (own * information + TREND_COUNTS * trend) / (information + TREND_COUNTS)
    relative = variance / level**2
    log_error = pd.Series(np.log(own)) + 0.5 * relative.clip(upper=1.0)
    return _moments(log_error, relative, LEAST_VARIANCE / cells["runs"], level)


def _moments(log_error: pd.Series, variance: pd.Series, rounding: pd.Series, level: pd.Series) -> pd.DataFrame:
    columns = {"log_error": log_error, "sampling_variance": variance, "rounding": rounding, "level": level}
    return pd.DataFrame(columns)


def _trend(log_error: pd.Series, weight: pd.Series, cells: pd.DataFrame) -> pd.Series:
    """Weighted log-linear trend of log error on log labels, by curve; the mean where there is one size."""
    x = np.log(cells[names.LABELS].astype(float).clip(lower=HALF_LABEL))

    def by_curve(*values: pd.Series) -> list[pd.Series]:
        sums = pd.DataFrame(dict(enumerate(values))).groupby(cells[CURVE]).transform("sum")
        return [sums[place] for place in sums]

    total, places, errors = by_curve(weight, weight * x, weight * log_error)
    middle, mean = places / total, errors / total
    spread, along = by_curve(weight * (x - middle) ** 2, weight * (x - middle) * log_error)
    slope = along / spread.where(spread > 0.0, np.inf)
    return mean + slope * (x - middle)


def _scatter(frame: pd.DataFrame, level: pd.Series) -> pd.DataFrame:
    """Squared relative deviations of runs: those that share a set about the set's mean, others about the cell's."""
    sets = [CELL, names.EVALUATION_SET]
    error, cell = frame[names.ERROR], frame[CELL]
    centre = np.where(
        frame["apart"] > 0, error.groupby(cell).transform("mean"), frame.groupby(sets)[names.ERROR].transform("mean")
    )
    squared = ((error - centre) / cell.map(level)) ** 2
    grouped = frame.groupby(CELL)
    size = grouped.size()
    freedom = np.where(grouped["apart"].min() > 0, size - 1, size - grouped[names.EVALUATION_SET].nunique())
    return pd.DataFrame({"scatter": squared.groupby(cell).sum(), "scatter_df": freedom})


KNOTS_PER_DOUBLING = 2
MEMORY = 2.0
"""Doublings below the reference, of the slice's own or of all labels, that inform a fit; farther back says little about
what comes."""
KEPT_SIZES = 4  # sizes that are kept whatever their distance
LEAST_SIZES = 3  # sizes that a slice needs to stand on its own

TYPICAL_ELASTICITY = 0.05  # elasticity at which the prior of the shape discrepancy is stated
RANDOM = "random"  # the strategy that the others are measured by

MOST_OF_UPPER = 0.95
"""Share of its upper bound up to which an error is taken as measured where it turns a variance from log to logit."""
FEW_OF_SLICE = 2.0
"""Wrong answers on a slice's items that the typical error counts for where the variance of their luck is worked out:
one over the variance between slices, on the log."""
CERTAIN = 4.0
"""Standard errors by which the slope of log error on log labels must lie off 0 for a curve to fall or rise plainly."""
SEEN = 2.0  # standard errors by which it must lie below 0 for a curve's own runs to show that it falls
ALIKE = 0.1
"""Share of evaluation sampling that is held to differ between runs on one evaluation set where a slope is judged."""
ENOUGH_RUNS = 3


def _reference(cells: pd.DataFrame) -> pd.DataFrame:
    """Largest labels of each curve, and the other slices' labels that went with it."""
    largest = cells.loc[cells.groupby(CURVE_KEYS)[names.LABELS].transform("max") == cells[names.LABELS]]
    reference = largest.groupby(CURVE_KEYS)[[names.LABELS, names.OTHER_LABELS]].mean()
    every = pd.MultiIndex.from_product([sorted(cells[key].unique()) for key in CURVE_KEYS], names=CURVE_KEYS)
    reference = reference.reindex(every)
    empty = ~(reference["labels"] > 0)
    if empty.any():  # the curve of a slice without labels is anchored where its neighbours are
        known = reference.loc[~empty, "labels"]
        reference.loc[empty, "labels"] = np.round(np.exp(np.log(known).mean())) if len(known) else 100.0
        reference[names.OTHER_LABELS] = (
            reference[names.OTHER_LABELS].fillna(reference[names.OTHER_LABELS].mean()).fillna(0.0)
        )
    return reference


def _place(cells: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Give every cell its curve, knot and slot."""
    cells = _with_distance(cells, reference)
    cells[KNOT] = cells.groupby(CURVE_KEYS)["bin"].rank(method="dense").astype(int) - 1
    cells[SLOT] = cells.groupby([*CURVE_KEYS, KNOT]).cumcount()
    cells[CURVE] = reference.index.get_indexer(pd.MultiIndex.from_frame(cells[CURVE_KEYS]))
    return cells


def _with_distance(rows: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Say of cells, or of runs, how far below the reference they lie in doublings of the slice's own labels."""
    rows = rows.join(reference.add_prefix("reference_"), on=CURVE_KEYS)
    own = rows[names.LABELS].clip(lower=HALF_LABEL)
    rows["distance"] = np.maximum(np.log2(rows[names.REFERENCE_LABELS] / own), 0.0)
    rows["bin"] = np.round(rows["distance"] * KNOTS_PER_DOUBLING).astype(int)
    return rows


def _within(rows: pd.DataFrame, memory: float) -> pd.Series:
    """Whether runs, with their distance, are within memory or of the sizes that are kept whatever their distance."""
    every = rows[names.LABELS].clip(lower=HALF_LABEL) + rows[names.OTHER_LABELS]
    # Runs of one size may hold few labels of a slice by chance: they are as near as all of their labels are.
    total = np.log2((rows[names.REFERENCE_LABELS] + rows[names.REFERENCE_OTHER_LABELS]) / every)
    near = np.minimum(rows["distance"], np.maximum(total, 0.0))
    rank = np.round(near * KNOTS_PER_DOUBLING).groupby([rows[key] for key in CURVE_KEYS]).rank(method="dense")
    return (near <= memory + 0.5 / KNOTS_PER_DOUBLING) | (rank <= KEPT_SIZES)


def used_runs(runs: xr.Dataset, memory: float = MEMORY) -> np.ndarray:
    """Say which runs a fit uses (run,): none with synthetic examples, within memory of their curve's largest size."""
    place = xr.DataArray(np.arange(runs.sizes[names.RUN]), dims=names.RUN)
    kept = without_synthetic(runs.assign(place=place))
    rows = kept[[*CURVE_KEYS, names.LABELS, names.OTHER_LABELS, "place"]].to_dataframe().reset_index(drop=True)
    rows = _with_distance(rows, _reference(rows))
    return np.isin(place.values, rows["place"][_within(rows, memory)])


EMPTY = {names.LABELS: 1.0, "sampling_variance": 1.0, "runs": 1.0}
"""What stands in the cells that only pad the layout, where it is not 0."""
CELL_NUMBERS = [
    *(names.LABELS, names.OTHER_LABELS, names.LABEL_NOISE, "log_error", "sampling_variance", "rounding", "runs"),
    *("set_weight", "apart", "scatter", "scatter_df"),
]


def observe(runs: xr.Dataset, classes: int = 2) -> xr.Dataset:
    """Lay the runs out for a model."""
    laid = lay_out(runs, classes)
    observations = laid.drop_vars(SHARED_ITEMS)
    items = {names.ITEMS_VARIANCE: (CURVE, _items_variance(observations, laid[SHARED_ITEMS].values))}
    return _fill(observations).assign(_slope(observations)).assign(items)


def lay_out(runs: xr.Dataset, classes: int = 2, memory: float = MEMORY) -> xr.Dataset:
    """Lay out the runs within so many doublings of their curve's largest size."""
    cells = sum_runs(runs.isel({names.RUN: np.flatnonzero(used_runs(runs, memory))}))
    reference = _reference(cells)
    cells = _place(cells, reference)
    shape = (len(reference), int(cells[KNOT].max()) + 1, int(cells[SLOT].max()) + 1)
    place = tuple(cells[dim].to_numpy() for dim in (CURVE, KNOT, SLOT))

    def grid(values: pd.Series, empty: float = 0.0) -> tuple[tuple[str, ...], np.ndarray]:
        out = np.full(shape, empty)
        out[place] = values.to_numpy(float)
        return (CURVE, KNOT, SLOT), out

    strategies = [RANDOM, *sorted(set(cells[names.STRATEGY]) - {RANDOM})]
    distance = np.zeros(shape[:2])
    distance[place[:2]] = cells["bin"].to_numpy() / KNOTS_PER_DOUBLING
    labelled = cells[cells[names.LABELS] > 0]
    sizes = labelled.groupby(CURVE)["bin"].nunique().reindex(range(shape[0]), fill_value=0)
    return xr.Dataset(
        {
            **{name: grid(cells[name], EMPTY.get(name, 0.0)) for name in (*CELL_NUMBERS, SHARED_ITEMS)},
            **({names.LOG_DIVERSITY: grid(cells[names.LOG_DIVERSITY])} if names.LOG_DIVERSITY in cells else {}),
            **({names.WEIGHT: grid(cells[names.WEIGHT], 1.0)} if names.WEIGHT in cells else {}),
            "strategy_code": grid(cells[names.STRATEGY].map(strategies.index)),
            "used": grid(pd.Series(1.0, index=cells.index)),
            "distance": ((CURVE, KNOT), np.maximum.accumulate(distance, axis=1)),
            names.REFERENCE_LABELS: (CURVE, reference[names.LABELS].to_numpy(float)),
            names.REFERENCE_OTHER_LABELS: (CURVE, reference[names.OTHER_LABELS].to_numpy(float)),
            names.SIZES: (CURVE, sizes.to_numpy()),
            "typical_error": float(np.exp(cells["log_error"].mean())),
        },
        coords={key: (CURVE, reference.index.get_level_values(key).to_numpy(object)) for key in CURVE_KEYS},
        attrs={
            names.METRIC: str(runs.attrs.get(names.METRIC, "")),
            names.UPPER: float(runs.attrs[names.UPPER]),
            names.STRATEGIES: strategies,
            names.CLASSES: classes,
        },
    )


def _items_variance(observations: xr.Dataset, alike: np.ndarray) -> np.ndarray:
    """Variance of each curve's level at the reference size from the evaluation items that its sizes share."""
    used = observations["used"].values[:, 0] > 0
    runs, shared = (np.where(used, values[:, 0], 0.0) for values in (observations["runs"].values, alike))
    weight = runs / np.maximum(runs.sum(axis=-1, keepdims=True), 1.0)
    near = observations["log_error"].values[:, 0]
    of_log = observations["sampling_variance"].values[:, 0] * runs * shared
    # Few wrong answers are few by chance too: the rate that the variance is of lies between them and the typical error.
    own, typical = np.exp(near), float(observations["typical_error"])
    counted = 1.0 / np.maximum(of_log, 1e-12)
    of_log = of_log * own * (counted / own + FEW_OF_SLICE / typical) / (counted + FEW_OF_SLICE)
    left = -np.expm1(np.minimum(near - np.log(observations.attrs[names.UPPER]), np.log(MOST_OF_UPPER)))
    return (weight * of_log / left**2).sum(axis=-1)


def without_synthetic(runs: xr.Dataset) -> xr.Dataset:
    """Return the runs that curves are fitted to: those without synthetic examples, which are no labels."""
    if names.SYNTHETIC_LABELS not in runs:
        return runs
    plain = (runs[names.SYNTHETIC_LABELS] == 0) & (runs[names.OTHER_SYNTHETIC_LABELS] == 0)
    if not plain.any():
        raise ValueError(
            "every run holds synthetic examples, and curves are of real labels alone. "
            "Fix: add runs without any, such as simulate_runs without synthetic"
        )
    return runs if plain.all() else runs.isel({names.RUN: np.flatnonzero(plain.values)})


def lever_of(weight: xr.DataArray, observations: xr.Dataset) -> xr.DataArray:
    """How much each cell's log error counts in the weighted slope on log labels."""
    x = xr.apply_ufunc(np.log, observations[names.LABELS].clip(min=HALF_LABEL) / observations[names.REFERENCE_LABELS])
    dims = (KNOT, SLOT)
    return weight * (x - (weight * x).sum(dims) / weight.sum(dims).clip(min=1e-12))


def _slope(observations: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
    """The slope of each curve, over three sizes or more and beyond the scatter of its runs, and the span it is over."""
    slope, off, certain, used = _off_zero(observations, CERTAIN)
    plainly = ((off < -CERTAIN) | (off > certain)) & (observations[names.SIZES] >= LEAST_SIZES)
    span = (observations["distance"] * (used > 0).any("slot")).max("knot")
    return {
        names.PLAIN_ELASTICITY: (CURVE, (-slope).where(plainly, 0.0).transpose(CURVE).values),
        names.SPAN: (CURVE, span.transpose(CURVE).values),
    }


def shows_fall(observations: xr.Dataset) -> xr.DataArray:
    """Say which curves' own runs show that their error falls with labels, by more than noise would make it (curve)."""
    _, off, certain, used = _off_zero(observations, SEEN)
    cells = (KNOT, SLOT)
    labelled = (observations["used"] > 0) & (observations[names.LABELS] > 0)
    judged = ((used > 0).any(SLOT).sum(KNOT) > 1) | ~(labelled & (used == 0)).any(cells)
    return ((off < -certain) | ~judged).transpose(CURVE)


def _off_zero(observations: xr.Dataset, errors: float) -> tuple[xr.DataArray, ...]:
    """Weighted slope of log error on log labels, its distance off 0 in standard errors, what ``errors`` say, cells."""
    observations = observations.drop_vars(observations.coords)
    cells = (KNOT, SLOT)
    plain = (observations["strategy_code"] == 0) & (observations[names.LABEL_NOISE] == 0)
    used = observations["used"].where(plain & (observations[names.LABELS] > 0), 0.0)
    freedom = (used * observations["scatter_df"]).sum(cells)
    scatter = (used * observations["scatter"]).sum(cells) / freedom.clip(min=1.0) / observations["runs"]
    sampling = observations["sampling_variance"] * observations["set_weight"].clip(min=ALIKE)
    variance = xr.where(freedom >= ENOUGH_RUNS, scatter, 0.0) + sampling + observations["rounding"]
    weight = used / variance
    lever = lever_of(weight, observations)
    information = (lever**2 / weight.where(weight > 0)).sum(cells).clip(min=1e-12)  # one over the slope's variance
    slope = (lever * observations["log_error"]).sum(cells) / information
    # How many standard errors say as much as ``errors`` of them would, were the variance known: with replicates by
    # Satterthwaite's degrees of freedom; without, by how far the curve or all such miss their lines.
    known = freedom >= ENOUGH_RUNS
    share = (lever**2 * scatter).sum(cells) / information
    left = (used.sum(cells) - 2.0).clip(min=0.0)
    middle = (weight * observations["log_error"]).sum(cells) / weight.sum(cells).clip(min=1e-12)
    line = middle + slope * lever / weight.where(weight > 0)
    missed = (weight * (observations["log_error"] - line) ** 2).sum(cells)
    unknown = left.where(~known, 0.0).sum().clip(min=1.0)
    misfit = np.maximum(missed / left.clip(min=1.0), missed.where(~known, 0.0).sum() / unknown).clip(min=1.0)
    degrees = xr.where(known, freedom / share.clip(min=1e-3) ** 2, unknown)
    quantile = xr.apply_ufunc(scipy.special.stdtrit, degrees, scipy.special.ndtr(errors))
    return slope, slope * information**0.5, quantile * xr.where(known, 1.0, misfit**0.5), used


def crossed_dims(observations: xr.Dataset) -> tuple[str, ...]:
    """Return those of slices, learners and suites that are several, where at least two are."""
    several = tuple(key for key in CURVE_KEYS if len(set(observations[key].values)) > 1)
    return several if len(several) > 1 else ()


def _fill(observations: xr.Dataset) -> xr.Dataset:
    """Give padding the labels of its curve's reference, and every cell what a gradient needs of its labels."""
    empty = observations["used"].values == 0
    for column, at in ((names.LABELS, names.REFERENCE_LABELS), (names.OTHER_LABELS, names.REFERENCE_OTHER_LABELS)):
        filler = np.broadcast_to(observations[at].values[:, None, None], empty.shape)
        observations[column] = (CURVE, KNOT, SLOT), np.where(empty, filler, observations[column].values)
    together = observations[names.LABELS] + observations[names.OTHER_LABELS]
    anchor = observations[names.REFERENCE_LABELS] + observations[names.REFERENCE_OTHER_LABELS]
    own = observations[names.LABELS].clip(min=HALF_LABEL)
    return observations.assign(
        log_total_ratio=xr.apply_ufunc(np.log, together.clip(min=1.0) / anchor),
        log_own=xr.apply_ufunc(np.log, own),
        beside=observations[names.OTHER_LABELS] / own,
    )


FIRST_CELL = "first_cell"  # where each curve's cells begin, and after the last curve where they end


def in_a_row(observations: xr.Dataset) -> dict[str, np.ndarray]:
    """Lay the cells that are used in a row: by curve, within a curve from the reference down."""
    used = observations["used"].transpose(CURVE, KNOT, SLOT)
    here, of_cell = used.values > 0, cell_names(observations)
    row = {str(name): values.values for name, values in observations.drop_vars([names.SIZES, "used"]).items()}
    for name in of_cell:
        row[name] = observations[name].broadcast_like(used).transpose(*used.dims).values[here]
    return row | {FIRST_CELL: np.concatenate([[0], np.cumsum(here.sum((1, 2)))])}


def cell_names(observations: xr.Dataset) -> list[str]:
    """Name what observations hold by cell."""
    return [str(name) for name, values in observations.items() if KNOT in values.dims and name != "used"]


def discounted(runs: xr.Dataset, shares: Mapping[str, float]) -> xr.Dataset:
    """Give every run the share of its likelihood that it counts for."""
    given = runs[names.BATCH].values.astype(str)
    weight = np.ones(runs.sizes[names.RUN])
    for batch, share in shares.items():
        if not (given == batch).any():
            known = {*given.tolist()}
            raise ValueError(
                f"discount: unknown batch {batch!r}{did_you_mean(batch, known)}. Fix: name one in column 'batch'."
            )
        if not is_number(share) or not 0 < share <= 1:
            raise ValueError(f"discount of batch {batch!r} must be above 0 and at most 1, got {share!r}")
        weight[given == batch] = share
    if (weight == 1.0).all():
        return runs
    return runs.assign({names.WEIGHT: (names.RUN, weight)})
