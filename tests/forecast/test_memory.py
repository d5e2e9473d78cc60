"""Memory holds the result and little more, however many slices there are."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from labelvalue import Fit, names, predict_gain

MEGABYTE = 2**20


def wide(fit: Fit, slices: int, draws: int) -> Fit:
    """A fit of many slices, made by repeating the draws of a few."""
    texts = [f"slice {i:03d}" for i in range(slices)]
    pick = np.arange(slices) % fit.slices.size
    more = {"draw": np.arange(draws) % fit.posterior.sizes["draw"], "slice": pick}
    posterior = fit.posterior.isel(more).assign_coords(draw=np.arange(draws), slice=texts)
    position = fit.position.isel(slice=pick).assign_coords(slice=texts)
    parts = {names.POSTERIOR: posterior, "constant_data": position, names.RUNS: fit.runs}
    tree = xr.DataTree.from_dict(parts)
    tree.attrs = fit.tree.attrs
    return Fit(tree=tree, model=fit.model, diagnostics=fit.diagnostics)


def peak_beyond_result(fit, budgets):
    tracemalloc.start()
    try:
        gain = predict_gain(fit, budgets)
        return tracemalloc.get_traced_memory()[1] - gain.nbytes, gain
    finally:
        tracemalloc.stop()


def test_working_memory_does_not_grow_with_slices(fake_fit):
    budgets = list(range(0, 5000, 100))
    some, _ = peak_beyond_result(wide(fake_fit, 8, 250), budgets)
    many, gain = peak_beyond_result(wide(fake_fit, 80, 250), budgets)
    assert gain.nbytes > 30 * MEGABYTE
    assert many < some + 60 * MEGABYTE


@pytest.mark.slow  # 100 million curve values take half a minute; the small test above guards the blocks
def test_four_thousand_draws_of_500_slices_at_50_budgets_fit_in_a_gigabyte(fake_fit):
    beyond, gain = peak_beyond_result(wide(fake_fit, 500, 1000), list(range(0, 5000, 100)))
    assert gain.shape == (4, 1000, 500, 50)
    assert gain.nbytes == 800_000_000
    assert beyond + gain.nbytes < 1_000_000_000
