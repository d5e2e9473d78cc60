"""P3: an old batch counts for a stated share of its likelihood, a power prior."""

import numpy as np
import pytest
from scipy import integrate, stats

from labelvalue import fit, names
from labelvalue.model.curve.families import discount_loglikelihood, scatter_loglikelihood
from labelvalue.model.curve.observations import discounted, observe
from labelvalue.model.fitting.arviz_tree import together
from labelvalue.testing import fake_runs


@pytest.fixture(scope="module")
def batches():
    """Runs of an old and a new batch: every second replicate is of either."""
    runs = fake_runs(seed=1, slices=("east", "west"), sizes=(500, 1000, 4000), replicates=4)
    batch = np.where(runs[names.REPLICATE].values % 2 == 0, "old", "new")
    return runs.assign({names.BATCH: (names.RUN, batch.astype(object))})


def test_the_potential_is_that_power_of_the_likelihood_with_the_walk_integrated_out():
    """Against quadrature over the walk, at two variances, so that what depends on the weight alone cancels."""
    residual, weight, distance, slope_sd = np.array([0.3, -0.2]), np.array([0.4, 0.7]), 1.5, 0.5
    level_sd = slope_sd * np.sqrt(distance**3 / 3.0)

    def wanted(variance):
        def density(walk):
            powers = weight * stats.norm.logpdf(residual - np.array([0.0, walk]), scale=np.sqrt(variance))
            return np.exp(powers.sum() + stats.norm.logpdf(walk, scale=level_sd))

        return np.log(integrate.quad(density, -10 * level_sd, 10 * level_sd, points=[0.0], limit=200)[0])

    def found(variance):
        walked = together(residual, variance / weight, np.array(slope_sd), np.array([0.0, distance]))
        return discount_loglikelihood({"weight": weight}, variance).sum() + walked

    one, two = np.array([0.05, 0.02]), np.array([0.3, 0.11])
    assert found(one) - found(two) == pytest.approx(wanted(one) - wanted(two), abs=1e-6)


def test_scatter_counts_for_its_share():
    data = {"scatter": 2.0, "scatter_df": 1.0, "runs": 1.0}
    whole = scatter_loglikelihood(data, 3.0)
    assert scatter_loglikelihood({**data, "weight": 0.25}, 3.0) == pytest.approx(whole / 4)


def test_runs_of_two_weights_are_two_cells_and_without_a_discount_nothing_is_weighted(table):
    rows = [("a", n, 40, 400, {"batch": batch}) for n in (100, 200, 400) for batch in ("old", "old", "new")]
    runs = table(rows)
    plain, less = observe(runs), observe(discounted(runs, {"old": 0.25}))
    assert names.WEIGHT not in plain
    assert (float(plain["used"].sum()), float(less["used"].sum())) == (3, 6)
    used = less["used"].values > 0
    assert sorted(less[names.WEIGHT].values[used].tolist()) == [0.25] * 3 + [1.0] * 3
    assert sorted(less["runs"].values[used].tolist()) == [1.0] * 3 + [2.0] * 3
    assert discounted(runs, {"old": 1.0}) is runs


@pytest.mark.parametrize(
    ("discount", "said"),
    [({"odl": 0.5}, "unknown batch 'odl'.*did you mean 'old'"), ({"old": 0.0}, "above 0 and at most 1"),
     ({"old": 1.5}, "above 0 and at most 1"), ({"old": True}, "above 0 and at most 1")],
)  # fmt: skip
def test_discounts_that_are_none(batches, discount, said):
    with pytest.raises(ValueError, match=said):
        fit(batches, discount=discount, progress=False)


@pytest.mark.slow(reason="three real fits")
def test_a_discounted_batch_pulls_less(batches):
    """The old batch has half as many errors again; the less it counts, the nearer to the new batch's alone."""
    errors = batches[names.ERRORS].where(batches[names.BATCH] != "old", (1.5 * batches[names.ERRORS]).astype(int))
    table = batches.assign({names.ERRORS: errors, names.ERROR: errors / batches[names.TRIALS]})
    means = []
    for share in (1.0, 0.3, 0.05):
        made = fit(table, discount={"old": share}, random_seed=1, progress=False)
        assert made.diagnostics.verdict != "refused"
        means.append(made.posterior[names.ERROR_NOW].mean(("chain", "draw")).values)
    assert (means[0] > means[1]).all()
    assert (means[1] > means[2]).all()
