"""Label noise where no item was judged twice: what cleanlab makes of a model's probabilities, with an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.problems import input_error

BOOTSTRAPS = 200


def noise_from_probabilities(
    labels: Sequence[int], probabilities: np.ndarray, slices: Sequence[str], *, random_seed: int = 0
) -> xr.DataArray:
    """Estimate the share of wrong labels by slice from a model's out-of-sample probabilities: confident learning.

    A second choice, for data without repeated judgements, references or audits: it takes the model's word for what is
    wrong, and the interval, a bootstrap of items, knows nothing of the model's own faults.

    Parameters
    ----------
    labels : sequence of int
        Label of every item, as a class from 0.
    probabilities : array, shape (item, class)
        Out-of-sample probabilities of the classes, from cross-validation.
    slices : sequence of str
        Slice of every item.
    random_seed : int
        Seed of the bootstrap.

    Returns
    -------
    xarray.DataArray
        ``label_noise``, dims chain (1), draw (200 bootstraps), slice: share of labels that look wrong; what ``noise=``
        of forecasts takes.

    Raises
    ------
    InputError
        If lengths differ, or cleanlab (extra ``noise``) is not installed.

    References
    ----------
    Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", JAIR 70.

    Examples
    --------
    >>> noise_from_probabilities(labels, probabilities, slices).mean("draw")  # doctest: +SKIP
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise input_error("cleanlab is not installed", "pip install 'labelvalue[noise]'") from None
    given, chance, of = np.asarray(labels, dtype=int), np.asarray(probabilities, dtype=float), np.asarray(slices)
    if not given.size == of.size == len(chance) or chance.ndim != 2:
        why = f"{given.size} labels, {len(chance)} rows of probabilities and {of.size} slices"
        raise input_error(why, "give one of each for every item", column="labels")
    wrong = np.asarray(find_label_issues(given, chance, n_jobs=1), dtype=float)
    known = sorted(set(of.tolist()))
    rng = np.random.default_rng([random_seed, 8])
    draws = np.empty((1, BOOTSTRAPS, len(known)))
    for place, name in enumerate(known):
        mine = wrong[of == name]
        draws[0, :, place] = mine[rng.integers(mine.size, size=(BOOTSTRAPS, mine.size))].mean(axis=1)
    dims = (names.CHAIN, names.DRAW, names.SLICE)
    return xr.DataArray(
        draws,
        dims=dims,
        coords={names.CHAIN: [0], names.DRAW: np.arange(BOOTSTRAPS), names.SLICE: known},
        name=names.LABEL_NOISE,
        attrs={names.UNIT: "share of labels", names.NOTES: "[]"},
    )
