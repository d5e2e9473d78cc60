"""R-hat and effective sample sizes are ArviZ's, of all scalars at once."""

import arviz_stats as azs
import numpy as np
import pytest

from labelvalue.model.sampling.diagnostics import convergence

STICKY = np.linspace(-0.9, 0.99, 9)


def chains(count: int, draws: int) -> np.ndarray:
    """Autoregressive draws, with ties, a chain that stands still and one that is elsewhere."""
    made = np.random.default_rng(draws).normal(size=(count, draws, STICKY.size))
    for t in range(1, draws):
        made[:, t] = STICKY * made[:, t - 1] + np.sqrt(1.0 - STICKY**2) * made[:, t]
    made[:, :, 0] = made[:, :, 0].round(1)
    made[-1, :, 1] = made[-1, 0, 1]
    made[0, :, 2] += 3.0
    return made


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("draws", [33, 100, 501])
def test_figures_are_arvizs(count, draws):
    made = chains(count, draws)
    each = [made[:, :, k] for k in range(STICKY.size)]
    expected = (
        [azs.rhat(one) for one in each],
        [azs.ess(one, method="bulk") for one in each],
        [azs.ess(one, method="tail", prob=(0.05, 0.95)) for one in each],
    )
    for ours, theirs in zip(convergence(made), expected, strict=True):
        np.testing.assert_allclose(ours, np.ravel(theirs).astype(float), rtol=1e-9)


def test_many_scalars_are_looked_at_in_parts():
    made = np.random.default_rng(0).normal(size=(4, 100, 200))
    few = [convergence(made[:, :, k : k + 1]) for k in (0, 63, 64, 199)]
    whole = convergence(made)
    for place, k in enumerate((0, 63, 64, 199)):
        for one, all_of_them in zip(few[place], whole, strict=True):
            assert one[0] == pytest.approx(all_of_them[k], rel=1e-12)
