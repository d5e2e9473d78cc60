"""What a backtest holds out: runs split at an origin.

A *step* is a doubling of labels or a batch. A run's ``step`` counts back from the end of its curve, so that
holding out h steps leaves the runs with ``step >= h``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import information_left, measured_error
from labelvalue.model.curve.observations import LEAST_SIZES
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import InputError, Problem, input_error

SIZE, BATCHES = "size", "batch"  # what can be held out
CURVE = [names.SLICE, names.LEARNER, names.SUITE]
EVEN = 0.5
"""Spread of the other slices' labels over that of whole training sets from which slices count as grown together."""


@dataclass(frozen=True, eq=False)
class Origin:
    """A point from which forecasts are made: what is held out, the runs a forecaster may see, and those it forecasts.

    ``future`` has further columns ``ahead`` (steps from now, a fraction for sizes in between), ``distance`` (the same,
    rounded), ``now`` and ``previous`` (sizes now and one step before).
    """

    steps: int
    past: pd.DataFrame
    future: pd.DataFrame


def frame_of(runs: xr.Dataset, by: str) -> pd.DataFrame:
    """Lay runs out as a table with sizes and steps."""
    columns = [*CURVE, names.LABELS, names.OTHER_LABELS, names.REPLICATE, names.EVALUATION_SET, names.ERROR]
    columns += [names.BATCH, names.MEASURED_AT, names.STRATEGY, names.LABEL_NOISE, names.SYNTHETIC_LABELS]
    columns += [names.TRIALS] if names.ERRORS in runs else [names.ERROR_STDERR]
    frame = runs[columns].to_dataframe().reset_index(drop=True)
    if names.ERRORS in runs:
        level = (frame[names.ERROR] * frame[names.TRIALS] + 0.5) / (frame[names.TRIALS] + 1.0)
        frame["variance"] = level * (1.0 - level) / frame[names.TRIALS]
    else:
        frame["variance"] = frame[names.ERROR_STDERR] ** 2
    frame["plain"] = _plain(frame)
    frame["size"] = _size(frame)
    frame["bin"] = rungs(frame["size"], frame.groupby(CURVE)["size"].transform("max"))
    if by == BATCHES:
        place = {name: i for i, name in enumerate(batch_order(frame))}
        frame["step"] = float(len(place) - 1) - frame[names.BATCH].map(place).astype(float)
    else:
        frame["step"] = frame["bin"] / 2.0
    return frame


def rungs(size: pd.Series, largest: pd.Series, per_doubling: int = 2) -> pd.Series:
    """Count the rungs of a ladder from a size up to the largest, rounded; half doublings by default."""
    return pd.Series(np.floor(per_doubling * np.log2(largest / size) + 0.5).astype(int), index=size.index)


def _size(frame: pd.DataFrame) -> pd.Series:
    """Labels of the whole training set if slices grew together; else, as where one slice grew alone, its own."""
    own = frame[names.LABELS].clip(lower=1).astype(float)
    total = (frame[names.LABELS] + frame[names.OTHER_LABELS]).clip(lower=1).astype(float)
    keys = [frame[name] for name in CURVE]
    others, totals = (
        np.median(np.log2(labels.groupby(keys).max() / labels.groupby(keys).min()))
        for labels in (frame[names.OTHER_LABELS] + 1.0, total)
    )
    return total if others > 0 and others >= EVEN * totals else own


def batch_order(frame: pd.DataFrame) -> list[str]:
    """Put batches in order of time."""
    batches = frame.groupby(names.BATCH).agg(first=(names.MEASURED_AT, "min"), largest=("size", "max")).reset_index()
    named = batches[batches[names.BATCH] != ""]
    by = "largest" if named["first"].isna().any() else "first"
    order = named.sort_values([by, names.BATCH])[names.BATCH].astype(str).tolist()
    return [""] * (len(named) < len(batches)) + order


def origins(frame: pd.DataFrame, by: str, holdout: Sequence[int]) -> Iterator[Origin]:
    """Split the runs at each origin that leaves something to fit and something to forecast."""
    seen: set[int] = set()
    for steps in sorted(set(holdout)):
        past, future = frame[frame["step"] >= steps], frame[frame["step"] < steps]
        if len(past) in seen or past.empty or future.empty:
            continue
        seen.add(len(past))
        now = past.groupby(CURVE)["size"].max().rename("now")
        sizes = past.join(now, on=CURVE).assign(bin=lambda x: rungs(x["size"], x["now"]))
        ready = sizes[sizes["plain"]].groupby(CURVE)["bin"].nunique() >= LEAST_SIZES
        future = future[future["plain"]].join(now[ready[ready].index], on=CURVE, how="inner")
        future = _by_batch(past, future, steps) if by == BATCHES else _by_size(future)
        if len(future):
            yield Origin(steps, past, future)


def _plain(frame: pd.DataFrame) -> pd.Series:
    """Whether a run is of the kind that is forecast: of one strategy, no noisier than need be, nothing synthetic."""
    strategies = sorted(set(frame[names.STRATEGY]), key=lambda name: (name != "random", name))
    noise = frame[names.LABEL_NOISE].fillna(0.0)
    alone = frame[names.SYNTHETIC_LABELS] == 0
    return (frame[names.STRATEGY] == strategies[0]) & (noise <= noise.min()) & alone


def _by_size(future: pd.DataFrame) -> pd.DataFrame:
    ahead = np.log2(future["size"] / future["now"])
    future = future.assign(ahead=ahead, distance=np.floor(ahead + 0.5).astype(int), previous=future["now"] / 2.0)
    return future[future[names.DISTANCE] >= 1]


def _by_batch(past: pd.DataFrame, future: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Each later batch's runs at its largest size, where that is more than was seen."""
    largest = future.groupby([*CURVE, names.BATCH])["size"].transform("max")
    grown = future[(rungs(future["size"], largest) == 0) & (largest > future["now"])]
    before = past[past["step"] > past["step"].min()].groupby(CURVE)["size"].max().rename("previous")
    grown = grown.join(before, on=CURVE)
    grown["previous"] = grown["previous"].fillna(grown["now"] / 2.0)
    ahead = steps - grown["step"]
    return grown.assign(ahead=ahead, distance=ahead.astype(int))


def refuse(frame: pd.DataFrame, by: str, source: str) -> InputError:
    """Say why no origin is left, slice by slice."""
    batches = frame[names.BATCH].nunique()
    if by == BATCHES and batches < 2:
        why = f"{batches} batch; a backtest in time needs two or more"
        return input_error(why, "name the batch of each run", file=source, column=names.BATCH)
    if by == BATCHES:
        why = f"no slice has {LEAST_SIZES} sizes before a batch that brought it more labels"
        fix = "add earlier runs at other sizes, or hold out fewer batches"
        return input_error(why, fix, file=source, column=names.BATCH)
    sizes = frame.groupby(names.SLICE)["bin"].nunique()
    found = [
        Problem(
            file=source,
            column=names.SLICE,
            value=name,
            why=f"has {count} size{'s' if count != 1 else ''}; a backtest needs {LEAST_SIZES + 1}, "
            "half a doubling or more apart",
            fix="add runs at other sizes",
        )
        for name, count in sizes.items()
        if count <= LEAST_SIZES
    ]
    why = f"no slice keeps {LEAST_SIZES} sizes when that many doublings are held out"
    return InputError(found or [Problem(file=source, why=why, fix="hold out fewer doublings")])


def as_measured(fit: Fit, posterior: xr.Dataset, error: xr.DataArray) -> xr.DataArray:
    """Return errors as evaluation sets show them on average."""
    if names.EVALUATION_NOISE not in posterior:
        return error
    return measured_error(error, posterior[names.EVALUATION_NOISE], int(fit.settings[names.CLASSES]))


def left_of_differences(fit: Fit, posterior: xr.Dataset) -> xr.DataArray | float:
    """Return the share of a difference between true errors that evaluation sets show."""
    if names.EVALUATION_NOISE not in posterior:
        return 1.0
    return information_left(posterior[names.EVALUATION_NOISE], int(fit.settings[names.CLASSES]))


FLAT = 1e-9  # spread of log labels within a size below which there is no composition to correct for


def measure(origin: Origin) -> pd.DataFrame:
    """Average what was then measured, with its standard error; on sets seen before, only trainings vary."""
    future = origin.future.assign(weight=1.0)
    keys = [*CURVE, names.DISTANCE]
    grouped = future.groupby(keys)
    table = grouped.agg(**{names.TRUTH: (names.ERROR, "mean"), names.LABELS: (names.LABELS, "mean")})
    table[names.RUN_COUNT] = grouped.size()
    relative = _training_variance(future, keys)
    per_curve = relative.reindex(pd.MultiIndex.from_frame(table.reset_index()[CURVE])).to_numpy()
    known = origin.past.groupby(CURVE)[names.EVALUATION_SET].agg(set)
    new = [last not in known[tuple(curve)] for *curve, last in future[[*CURVE, names.EVALUATION_SET]].to_numpy()]
    own = (future[names.EVALUATION_SET] == "") & bool(np.isnan(per_curve).any())
    drawn = future[(np.array(new) & (future[names.EVALUATION_SET] != "")) | own]
    sets = drawn.groupby([*keys, drawn[names.EVALUATION_SET].where(~own, drawn.index.astype(str))])
    share = sets.agg(count=("weight", "sum"), variance=("variance", "mean"))
    sampling = (share["count"] ** 2 * share["variance"]).groupby(level=keys).sum().reindex(table.index, fill_value=0.0)
    training = np.nan_to_num(per_curve) * table[names.TRUTH] ** 2 / table[names.RUN_COUNT]
    table[names.TRUTH_STDERR] = np.sqrt(training + sampling / table[names.RUN_COUNT] ** 2)
    return table


def _training_variance(future: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Variance between runs of one size and set, relative to the squared mean error, by curve; NaN if none tells."""
    cells = future.groupby([*keys, names.EVALUATION_SET])
    level = future.groupby(keys)[names.ERROR].transform("mean")
    y = (future[names.ERROR] - cells[names.ERROR].transform("mean")) / level.where(level > 0, 1.0)
    log_labels = np.log(future[names.LABELS].clip(lower=0.5))
    x = log_labels - future.assign(x=log_labels).groupby([*keys, names.EVALUATION_SET])["x"].transform("mean")
    table = future[CURVE].assign(xx=x**2, xy=x * y, yy=y**2, cell=cells.ngroup())
    sums = table.groupby(CURVE).agg(
        xx=("xx", "sum"), xy=("xy", "sum"), yy=("yy", "sum"), n=("xx", "size"), cells=("cell", "nunique")
    )
    varies = sums["xx"] > FLAT
    squares = sums["yy"] - (sums["xy"] ** 2 / sums["xx"].where(varies, 1.0)).where(varies, 0.0)
    freedom = sums["n"] - sums["cells"] - varies
    informed = freedom > 0
    pooled = squares[informed].sum() / freedom[informed].sum() if informed.any() else np.nan
    return (squares.clip(lower=0.0) / freedom.where(informed)).fillna(pooled)
