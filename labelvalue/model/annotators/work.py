"""What labels take: seconds, labels a day and days until delivery, as posteriors from the times of annotations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.annotators.judgements import UNNAMED
from labelvalue.model.hierarchy.specification import get_label_model
from labelvalue.model.prior.priors import Prior
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings
from labelvalue.printing import as_lines, doing
from labelvalue.problems import did_you_mean, input_error
from labelvalue.quantities import Branch, Interval, Quantity
from labelvalue.settings import Checks

FEWEST_DAYS = 3  # calendar days from which on throughput can be estimated


def throughput(
    table: pd.DataFrame, posterior: xr.Dataset, random_seed: int
) -> tuple[dict[str, xr.DataArray], float, dict[str, float], list[str]]:
    """Draw labels a calendar day, in all and by slice, and an annotator's day: the Bayesian bootstrap (Rubin 1981)."""
    timed = table[table[names.TIME].notna()]
    day = timed[names.TIME].dt.floor("D")
    if timed.empty or (day.max() - day.min()).days + 1 < FEWEST_DAYS:
        return {}, float("nan"), {}, [f"labels a day are not known: times on at least {FEWEST_DAYS} days are needed"]
    days = pd.date_range(day.min(), day.max(), freq="D")
    first = timed.sort_values(names.TIME).drop_duplicates([names.SOURCE, names.ITEM])
    first = first.assign(day=first[names.TIME].dt.floor("D"))
    made = first.pivot_table(index="day", columns=names.SLICE, values=names.UNITS, aggfunc="sum", observed=True)
    by_slice = made.reindex(days).fillna(0.0).astype(float)
    daily = by_slice.sum(axis=1).to_numpy()
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([random_seed, 6])
    coords: dict[str, Any] = {d: posterior[d].values for d in names.SAMPLE}

    def weights(count: int) -> np.ndarray:
        return rng.dirichlet(np.ones(count), size=shape[0] * shape[1])

    def drawn(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values.reshape(shape), dims=names.SAMPLE, coords=coords)

    of_days = weights(len(days))
    slices = [str(name) for name in by_slice.columns]
    apart = (of_days @ by_slice.to_numpy()).reshape(*shape, len(slices))
    paces = xr.DataArray(apart, dims=(*names.SAMPLE, names.SLICE), coords=coords | {names.SLICE: slices})
    found = {names.LABELS_PER_DAY: drawn(of_days @ daily), names.LABELS_PER_DAY_OF_SLICE: paces}
    people = timed[timed[names.ANNOTATOR] != ""]
    if len(people):
        each = people.assign(day=people[names.TIME].dt.floor("D")).groupby([names.ANNOTATOR, "day"])[names.UNITS].sum()
        found[names.LABELS_PER_ANNOTATOR_DAY] = drawn(weights(len(each)) @ each.to_numpy(float))
    note = f"labels a day: {len(days)} calendar days, {int((daily == 0).sum())} of them without a label"
    scatter = {name: float(by_slice[name].std(ddof=0) / by_slice[name].mean()) for name in slices}
    return found, float(daily.std() / daily.mean()), scatter, [note]


LOW, HIGH = 0.05, 0.95
BRANCHES = 10
SURE = 1.0 - 1e-6  # share of draws of a quantity that must make sense


def as_stated(values: np.ndarray) -> Interval:
    """Return the 90 % interval of draws of a number > 0."""
    low, high = np.quantile(values, [LOW, HIGH])
    return Interval(low=float(low), high=float(max(high, low * (1 + 1e-9))), distribution="lognormal")


def share_as_stated(values: np.ndarray, most: float) -> Quantity:
    """Return draws of a share as a quantity."""
    low, high = np.quantile(values, [LOW, HIGH])
    interval = Interval(low=float(low), high=float(max(high, low * (1 + 1e-9))), distribution="logitnormal")
    if interval.quantile(SURE) < most:
        return interval
    middles = (np.arange(BRANCHES) + 0.5) / BRANCHES
    return tuple(Branch(float(value), 1.0 / BRANCHES) for value in np.quantile(values, middles))


def by_slice_as_stated(draws: xr.DataArray) -> dict[str, Interval]:
    """Return the 90 % interval of every slice."""
    return {str(name): as_stated(draws.sel({names.SLICE: name}).values) for name in draws[names.SLICE].values}


BREAK = 10.0  # times the median of its slice and annotator above which a duration holds a break
SECONDS_PER_HOUR = 3600.0


@dataclasses.dataclass(frozen=True)
class Work:
    """What labels take in time.

    Parameters
    ----------
    posterior : xarray.Dataset
        Dims chain, draw: ``seconds_per_label`` (slice); where times are known, ``labels_a_day`` of all slices together,
        ``labels_a_day_of_slice`` (slice), which sum to it, and ``labels_an_annotator_day``.
    diagnostics : Diagnostics
        Convergence verdict.
    day_scatter : float
        Standard deviation of a day's labels over their mean; NaN where times are not known.
    slice_scatter : mapping of str to float
        The same of each slice's labels; empty where times are not known.
    notes : tuple of str
        What was left out, and how breaks were handled.

    Examples
    --------
    >>> estimate_work(annotations).posterior  # doctest: +SKIP
    """

    posterior: xr.Dataset
    diagnostics: Diagnostics
    day_scatter: float
    slice_scatter: Mapping[str, float]
    notes: tuple[str, ...]

    def price_per_label(self, pay_per_hour: float) -> xr.DataArray:
        """Draw the price of a label: pay for the seconds it takes.

        Parameters
        ----------
        pay_per_hour : float
            Money for an hour of an annotator's work, > 0.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw, slice.

        Raises
        ------
        InputError
            If pay is not a positive number.

        Examples
        --------
        >>> estimate_work(annotations).price_per_label(18.0)  # doctest: +SKIP
        """
        if not isinstance(pay_per_hour, (int, float)) or not 0 < pay_per_hour < np.inf:
            raise input_error("must be a number > 0", "give 18.0", column="pay_per_hour", value=pay_per_hour)
        price = self.posterior[names.SECONDS_PER_LABEL] * (float(pay_per_hour) / SECONDS_PER_HOUR)
        return price.rename("price_per_label").assign_attrs({names.UNIT: "money a label", names.NOTES: ""})

    def quantities(self, pay_per_hour: float | None = None) -> dict[str, Any]:
        """Return what ``Costs`` takes: 90 % intervals by slice, and of labels a day.

        Parameters
        ----------
        pay_per_hour : float, optional
            Pay; without it, no price.

        Returns
        -------
        dict
            ``hours_per_label`` and, with pay, ``price_per_label`` by slice; ``labels_per_day`` where times are known.

        Examples
        --------
        >>> Costs(**estimate_work(annotations).quantities(pay_per_hour=18.0))  # doctest: +SKIP
        """
        seconds = self.posterior[names.SECONDS_PER_LABEL]
        made: dict[str, Any] = {"hours_per_label": by_slice_as_stated(seconds / SECONDS_PER_HOUR)}
        if pay_per_hour is not None:
            made["price_per_label"] = by_slice_as_stated(self.price_per_label(pay_per_hour))
        if names.LABELS_PER_DAY in self.posterior:
            made["labels_per_day"] = as_stated(self.posterior[names.LABELS_PER_DAY].values)
        return made

    def delivery_days(self, labels: int | Mapping[str, int]) -> xr.DataArray:
        """Draw the calendar days until so many labels are delivered, at the pace so far.

        Parameters
        ----------
        labels : int, or mapping of str to int
            Labels of all slices together, or by slice, ≥ 0.

        Returns
        -------
        xarray.DataArray
            ``days``, dims chain, draw, and slice for labels by slice: with the uncertainty of the pace and the scatter
            of days. Slices are worked on beside one another, each at its own pace so far; all labels are there after
            the slowest, ``.max("slice")``.

        Raises
        ------
        InputError
            If the annotations told no times, a slice has none, or labels are no whole number ≥ 0.

        Examples
        --------
        >>> estimate_work(annotations).delivery_days(5_000).quantile([0.05, 0.95])  # doctest: +SKIP
        >>> estimate_work(annotations).delivery_days({"fr": 500, "de": 200}).max("slice")  # doctest: +SKIP
        """
        if names.LABELS_PER_DAY not in self.posterior:
            why = f"labels a day are not known: it takes times on at least {FEWEST_DAYS} days"
            raise input_error(why, "import annotations with times", column="labels")
        checks = Checks()
        if not isinstance(labels, Mapping):
            checks.whole("labels", labels)
            checks.finish()
            return self._days(labels, self.posterior[names.LABELS_PER_DAY], self.day_scatter)
        for name, count in labels.items():
            checks.whole(f"labels.{name}", count)
            if name not in self.slice_scatter:
                why = f"no times of slice {name!r}{did_you_mean(str(name), self.slice_scatter)}"
                checks.wrong(f"labels.{name}", why, f"one of {', '.join(self.slice_scatter)}")
        checks.finish()
        coords = {names.SLICE: list(labels)}
        wanted = xr.DataArray(np.array(list(labels.values()), float), coords=coords)
        scatter = xr.DataArray(np.array([self.slice_scatter[name] for name in labels], float), coords=coords)
        pace = self.posterior[names.LABELS_PER_DAY_OF_SLICE].sel(coords)
        return self._days(wanted, pace, scatter)

    def _days(self, labels: Any, pace: xr.DataArray, scatter: Any) -> xr.DataArray:
        days = (labels / pace).transpose(*names.SAMPLE, ...)
        z = np.random.default_rng([self.diagnostics.attempts[0]["random_seed"], 5]).standard_normal(days.shape)
        scattered = days + np.sqrt(days) * scatter * days.copy(data=z)
        made = scattered.clip(min=0.0).rename(names.DAYS)
        return made.assign_attrs({names.UNIT: names.DAYS, names.NOTES: ""})


def estimate_work(
    annotations: pd.DataFrame,
    *,
    priors: Mapping[str, Prior] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    progress: bool = True,
) -> Work:
    """Estimate what labels take: seconds by slice, labels a day, days until delivery.

    Seconds are log-normal about a pace of slice and annotator, both pooled, breaks left out. Labels a day are the
    Bayesian bootstrap of the calendar days from the first judgement to the last.

    Parameters
    ----------
    annotations : pandas.DataFrame
        Annotations table, as :func:`labelvalue.label_quality.read_annotations` returns it; references are left out.
    priors : mapping of str to Prior, optional
        Priors that replace the model's, by name.
    random_seed, draws, tune, chains, progress : optional
        As for :func:`labelvalue.fit`.

    Returns
    -------
    Work
        Posteriors, and what ``Costs`` takes.

    Raises
    ------
    InputError
        If no judgement tells its seconds.

    References
    ----------
    Rubin (1981), "The Bayesian bootstrap", Annals of Statistics 9, for labels a day.

    Examples
    --------
    >>> from labelvalue.testing import fake_annotations
    >>> estimate_work(fake_annotations(seed=1)).quantities(pay_per_hour=18.0)  # doctest: +SKIP
    """
    table = annotations[~annotations[names.REFERENCE].astype(bool)]
    observations, notes = count_times(table)
    model = get_label_model("work_time")
    built = model.build(observations, model.priors.replace(priors or {}))
    doing(f"{int(observations['count'].sum())} durations; sampling", show=progress)
    settings = SamplerSettings(draws=draws, tune=tune, chains=chains, random_seed=random_seed)
    tree, diagnostics = sampling.sample(sampling.compile_model(built), settings, progress=progress)
    posterior = tree["posterior"].to_dataset()
    made = xr.Dataset({names.SECONDS_PER_LABEL: _seconds(posterior, observations)})
    rate, scatter, of_slice, more = throughput(table, posterior, random_seed)
    made = made.assign(rate)
    for name in made.data_vars:
        unit = "seconds" if name == names.SECONDS_PER_LABEL else "labels"
        made[name].attrs = {names.UNIT: unit, "verdict": diagnostics.verdict, names.NOTES: as_lines(notes)}
    return Work(made, diagnostics, scatter, of_slice, (*notes, *more))


def count_times(table: pd.DataFrame) -> tuple[xr.Dataset, list[str]]:
    """Sum durations by slice and annotator, breaks left out."""
    timed = table[table[names.SECONDS].notna()].assign(each=lambda t: t[names.SECONDS] / t[names.UNITS])
    if timed.empty:
        why = "no judgement tells its seconds"
        raise input_error(why, "export from a tool that records time, or state it", column=names.SECONDS)
    timed = timed.assign(who=timed[names.ANNOTATOR].replace("", UNNAMED))
    keys = [names.SLICE, "who"]
    typical = timed.groupby(keys)["each"].transform("median")
    held = (timed["each"] > BREAK * typical) & (timed[names.UNITS] == 1)
    unknown = int(table[names.SECONDS].isna().sum())
    of_whom = "the median of their slice and annotator"
    notes = [
        f"{int(held.sum())} durations above {BREAK:g} times {of_whom} hold a break: left out",
        f"{unknown} judgements without seconds",
    ]
    timed = timed[~held].assign(log=lambda t: np.log(t["each"]))
    single, jobs = timed[timed[names.UNITS] == 1], timed[timed[names.UNITS] > 1]
    slices, people = sorted(timed[names.SLICE].unique()), sorted(timed["who"].unique())
    grouped = single.groupby(keys)["log"]
    sums = pd.DataFrame({"count": grouped.size(), "mean_log": grouped.mean(), "squares": grouped.var(ddof=0)})
    sums["squares"] = sums["squares"].fillna(0.0) * sums["count"]
    total = jobs.groupby(keys)[[names.SECONDS, names.UNITS]].sum()
    every = sums.join(total, how="outer")
    place = every.index.get_level_values(0), every.index.get_level_values(1)
    every["job_log"] = np.log((every[names.SECONDS] / every[names.UNITS]).fillna(1.0))
    columns = {name: ("group", every[name].fillna(0.0).to_numpy(float)) for name in ("count", "mean_log", "squares")}
    columns |= {"units": ("group", every[names.UNITS].fillna(0.0).to_numpy(float))}
    columns |= {"job_log": ("group", every["job_log"].to_numpy(float))}
    columns |= {"group_slice": ("group", pd.Categorical(place[0], slices).codes.astype(np.int32))}
    columns |= {"group_annotator": ("group", pd.Categorical(place[1], people).codes.astype(np.int32))}
    return xr.Dataset(columns, coords={names.SLICE: slices, names.ANNOTATOR: people}), notes


def _seconds(posterior: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Mean seconds a label of each slice takes, over annotators as they worked so far, all slices together."""
    work = observations["count"] + observations["units"]
    share = np.zeros(observations.sizes[names.ANNOTATOR])
    np.add.at(share, observations["group_annotator"].values, work.values)
    people = xr.DataArray(
        share / share.sum(), dims=names.ANNOTATOR, coords={names.ANNOTATOR: observations[names.ANNOTATOR]}
    )
    level = posterior["pace"] + 0.5 * posterior["scatter"] ** 2
    of_slice = posterior.get("of_slice", xr.zeros_like(observations[names.SLICE], dtype=float))
    pace = xr.apply_ufunc(np.exp, posterior["of_annotator"]) if "of_annotator" in posterior else None
    average = 1.0 if pace is None else (pace * people).sum(names.ANNOTATOR)
    seconds = xr.apply_ufunc(np.exp, level + of_slice) * average
    return seconds.transpose(*names.SAMPLE, names.SLICE).assign_coords({names.SLICE: observations[names.SLICE].values})
