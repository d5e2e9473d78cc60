"""What annotators deliver a day: in all, by slice, and each of them on a day of work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names

FEWEST_DAYS = 3
"""Calendar days from which on throughput can be estimated."""


def throughput(
    table: pd.DataFrame, posterior: xr.Dataset, random_seed: int
) -> tuple[dict[str, xr.DataArray], float, dict[str, float], list[str]]:
    """Draw labels a calendar day, in all and by slice, and an annotator's day of work: the Bayesian bootstrap of days.

    Parameters
    ----------
    table : pandas.DataFrame
        Annotations table, references left out.
    posterior : xarray.Dataset
        Gives chains and draws.
    random_seed : int
        Seed.

    Returns
    -------
    paces : dict of str to DataArray
        ``labels_a_day``; ``labels_a_day_of_slice``, which sum to it draw by draw; ``labels_an_annotator_day`` where
        annotators are known. Empty where times do not span three days.
    scatter : float
        Standard deviation of a day's labels over their mean.
    by_slice : dict of str to float
        The same of each slice's.
    notes : list of str
        What the days were.

    References
    ----------
    Rubin (1981), "The Bayesian bootstrap", Annals of Statistics 9.

    Examples
    --------
    >>> from labelvalue.testing import fake_annotations
    >>> draws = xr.Dataset(coords={"chain": [0], "draw": range(500)})
    >>> paces, _, _, notes = throughput(fake_annotations(seed=1, items=300), draws, 1)
    >>> notes
    ['labels a day: 10 calendar days, 0 of them without a label']
    >>> bool(np.allclose(paces["labels_a_day_of_slice"].sum("slice"), paces["labels_a_day"]))
    True
    """
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
