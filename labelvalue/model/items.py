"""The luck of evaluation items: how the error on these very items differs from that of all items like them.

Where the runs of a slice share evaluation items, they all show the error on these, which may be easier or harder than
the population. A fit speaks of the population; to compare with runs on the same items, see :func:`on_items`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.anchored import level_from, log_error_from
from labelvalue.model.cells import CURVE_KEYS, LARGE
from labelvalue.model.observations import without_synthetic
from labelvalue.model.posterior import at_now
from labelvalue.model.result import Fit
from labelvalue.model.walk import Walks, entropy_of

FEW = 200
"""Evaluation items below which whoever reads an error now is told how many it is known from."""
TAILS = (0.05, 0.95)


def luck_of_items(posterior: xr.Dataset, position: xr.Dataset, walks: Walks, typical: float = 1.0) -> xr.DataArray:
    """Draw the population's error at the reference size given that on the evaluation items, as a log ratio.

    The level on the items is normal about the population's, which is normal about the group's mean: so the population's
    level given both is normal too, nearer to the mean the fewer items there are. Learners and suites of a slice share
    its items and their luck.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws of ``error_reference`` on the items, and ``error_mean``, ``error_spread`` and ``churn`` where there are
        any.
    position : xarray.Dataset
        ``items_variance`` by slice (and learner, suite): variance of the level that all runs share through their items.
    walks : Walks
        Seed of the fit, and upper bound of the error.
    typical : float
        Typical error, where there is no bound.

    Returns
    -------
    xarray.DataArray
        Log of the population's error over that on the items; 0 where no items are shared.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> alone = fit.position.assign(items_variance=0.0 * fit.position["labels_now"])
    >>> float(abs(luck_of_items(fit.posterior, alone, Walks(1))).max())
    0.0
    """
    on_items = posterior[names.ERROR_REFERENCE]
    items = position[names.ITEMS_VARIANCE] * (1.0 - posterior.get("churn", 0.0))
    level = level_from(on_items, walks.upper, typical)
    kept: xr.DataArray | float = 1.0
    middle: xr.DataArray | float = 0.0
    if {"error_mean", "error_spread"} <= set(posterior):
        between = posterior["error_spread"] ** 2
        kept, middle = between / (between + items), posterior["error_mean"]
    drawn = middle + kept * (level - middle) + np.sqrt(kept * items) * _normal(posterior, walks.random_seed)
    luck = log_error_from(drawn, walks.upper, typical) - np.log(on_items)
    return luck.where(items > 0, 0.0).transpose(*on_items.dims)


def _normal(posterior: xr.Dataset, random_seed: int) -> xr.DataArray:
    """Standard normals by slice, that depend on its name alone."""
    shape = tuple(posterior.sizes[d] for d in names.SAMPLE)
    slices = posterior[names.SLICE].values
    entropies = [entropy_of(random_seed, names.LUCK, str(name)) for name in slices]
    values = np.stack([np.random.default_rng(entropy).standard_normal(shape) for entropy in entropies], axis=-1)
    coords = {d: posterior[d].values for d in names.SAMPLE} | {names.SLICE: slices}
    return xr.DataArray(values, dims=(*names.SAMPLE, names.SLICE), coords=coords)


def on_items(fit: Fit) -> Fit:
    """Ask a fit about the error on the very items that its runs were evaluated on.

    That is what another run on the same items measures. By default a fit speaks of the error over items *like* them,
    whose intervals are wider where evaluation sets are small.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    Fit
        The same draws without the luck of the items; every forecast can be made from it. The same fit where every run
        had items of its own.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> on_items(fit) is fit
    True
    """
    if names.LUCK not in fit.posterior:
        return fit
    without = fit.posterior.drop_vars(names.LUCK)
    without = without.assign(at_now(without, fit.position, fit.model, fit.walks).data_vars)
    tree = fit.tree.copy()
    tree[names.POSTERIOR] = xr.DataTree(without)
    return dataclasses.replace(fit, tree=tree)


def few_items(fit: Fit) -> xr.DataArray:
    """Count the evaluation items that each error now is known from, where that matters to whoever reads it.

    Items of the sets that the curve's largest runs were evaluated on, each once.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataArray
        ``evaluation_labels``, dims slice (and learner, suite); NaN where they are not few and most of the uncertainty
        is not which items these are, and where runs tell their metric without counts.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit, share_items
    >>> few_items(share_items(fake_fit(seed=1), ["east"], times=0.02)).notnull().values.tolist()
    [True, False, False, False]
    """
    items = _items(fit)
    return items.where((items < FEW) | _mostly_luck(fit))


def items_notes(fit: Fit) -> list[str]:
    """Say which errors now are known from few evaluation items, and where these are most of what is not known.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    list of str
        A sentence for each of the two that there is; empty for a refused fit.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit, share_items
    >>> print(*items_notes(share_items(fake_fit(seed=1), ["east"], times=0.02)))
    error now of east is known from 40 items: most of its uncertainty is which items these are; more evaluation
    labels would narrow it, more runs would not
    """
    if fit.diagnostics.verdict == "refused":
        return []
    items, luck = few_items(fit).stack(curve=(...,)), _mostly_luck(fit).stack(curve=(...,))
    lucky, few = (
        [
            f"{name_of_curve(at)} {'' if place else 'is known '}from {_count(float(n))}"
            for place, (at, n) in enumerate(zip(items["curve"].values[which], items.values[which], strict=True))
        ]
        for which in (luck.values, ~luck.values & items.notnull().values)
    )
    ends = (
        ": most of its uncertainty is which items these are; more evaluation labels would narrow it, more runs would "
        "not",
        "",
    )
    return [f"error now of {', of '.join(said)}{end}" for said, end in zip((lucky, few), ends, strict=True) if said]


def name_of_curve(key: Sequence[object]) -> str:
    """Name a curve by its slice and, where there are several, its learner and suite.

    Parameters
    ----------
    key : sequence
        Slice first.

    Returns
    -------
    str
        Text.

    Examples
    --------
    >>> name_of_curve(("west",)), name_of_curve(("west", "old"))
    ('west', 'west (old)')
    """
    first, *others = map(str, key)
    return f"{first} ({', '.join(others)})" if others else first


def _count(items: float) -> str:
    return "the same items in all runs" if np.isnan(items) else f"{items:,.0f} items"


def _items(fit: Fit) -> xr.DataArray:
    """Distinct items that the largest runs of each curve were evaluated on."""
    like = fit.position[names.LABELS_NOW]
    runs = without_synthetic(fit.runs)
    if names.TRIALS not in runs:
        return xr.full_like(like, np.nan, dtype=float).rename(names.EVALUATION_LABELS)
    kept = [*CURVE_KEYS, names.LABELS, names.EVALUATION_SET, names.TRIALS]
    frame = runs[kept].to_dataframe().reset_index(drop=True)
    near = frame[frame[names.LABELS] >= LARGE * frame.groupby(CURVE_KEYS)[names.LABELS].transform("max")]
    alone = near.index.to_series().where(near[names.EVALUATION_SET] == "", -1)  # a run without a name has its own set
    dims = [str(d) for d in like.dims]
    of_sets = near.groupby([*dims, names.EVALUATION_SET, alone.rename("alone")])[names.TRIALS].max()
    found = of_sets.groupby(level=dims).sum().astype(float).to_xarray()
    return found.reindex_like(like).transpose(*dims).rename(names.EVALUATION_LABELS)


def _mostly_luck(fit: Fit) -> xr.DataArray:
    """Whether without the luck of the items the interval of an error now would be less than half as wide."""
    if names.LUCK not in fit.posterior:
        return xr.zeros_like(fit.position[names.LABELS_NOW], dtype=bool)
    drawn = (one.posterior[names.ERROR_NOW].quantile(TAILS, names.SAMPLE) for one in (fit, on_items(fit)))
    wide, rest = (ends[1] - ends[0] for ends in drawn)
    return (rest < 0.5 * wide).transpose(*fit.position[names.LABELS_NOW].dims)
