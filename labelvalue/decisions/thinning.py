"""Fewer draws for a search over many slices; what is found is then valued with all of them."""

from __future__ import annotations

import dataclasses

import xarray as xr

from labelvalue import names
from labelvalue.model import Fit

SEARCHED = 16_000
"""Slices times draws with which plans are looked for."""
LEAST_DRAWS = 400


def thinned(fit: Fit, most: int) -> Fit:
    """Return a fit with every so many draws of each chain, evenly.

    Parameters
    ----------
    fit : Fit
        Fit.
    most : int
        Draws of all chains together, at most about that many.

    Returns
    -------
    Fit
        The same one where it has no more.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> thinned(fake_fit(seed=1), 200).posterior.sizes["draw"]
    50
    """
    posterior = fit.posterior
    every = -(-posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW] // most)
    if every <= 1:
        return fit
    tree = fit.tree.copy()
    kept = tree[names.POSTERIOR].to_dataset().isel({names.DRAW: slice(None, None, every)})
    tree[names.POSTERIOR] = xr.DataTree(kept)
    return dataclasses.replace(fit, tree=tree)


def for_search(fit: Fit) -> Fit:
    """Return the fit with which plans are looked for.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    Fit
        With all draws unless slices and draws are many.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> for_search(fit) is fit
    True
    """
    return thinned(fit, max(LEAST_DRAWS, SEARCHED // fit.slices.size))
