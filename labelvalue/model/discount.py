"""Old batches that count for less: the weight of each run in the likelihood."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.problems import did_you_mean


def discounted(runs: xr.Dataset, shares: Mapping[str, float]) -> xr.Dataset:
    """Give every run the share of its likelihood that it counts for.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``.
    shares : mapping of str to float
        By batch, above 0 and at most 1; batches that are not named count in full.

    Returns
    -------
    xarray.Dataset
        With ``weight`` (dim run); the table itself where nothing is discounted.

    Raises
    ------
    ValueError
        If there is no such batch, or a share is out of range.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> runs = fake_runs(seed=1)
    >>> old = runs.assign(batch=runs["batch"].copy(data=["2024"] * runs.sizes["run"]))
    >>> discounted(old, {"2024": 0.5})["weight"].values.max().item()
    0.5
    """
    given = runs[names.BATCH].values.astype(str)
    weight = np.ones(runs.sizes[names.RUN])
    for batch, share in shares.items():
        if not (given == batch).any():
            known = {*given.tolist()}
            raise ValueError(
                f"discount: unknown batch {batch!r}{did_you_mean(batch, known)}. Fix: name one in column 'batch'."
            )
        if isinstance(share, bool) or not isinstance(share, (int, float, np.number)) or not 0 < share <= 1:
            raise ValueError(f"discount of batch {batch!r} must be above 0 and at most 1, got {share!r}")
        weight[given == batch] = share
    if (weight == 1.0).all():
        return runs
    return runs.assign({names.WEIGHT: (names.RUN, weight)})
