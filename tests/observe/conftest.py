"""Small labelled data for simulations: two classes, three slices, one of them rare."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from tests.observe.asked import simulated


@pytest.fixture(scope="package")
def people():
    """Features, target (yes, no) and slices of 900 rows."""
    rng = np.random.default_rng(3)
    slices = rng.choice(["north", "south", "west"], size=900, p=[0.6, 0.3, 0.1])
    x = rng.normal(size=(900, 3))
    shift = np.select([slices == "north", slices == "south"], [0.5, -0.5], 0.0)
    y = np.where(x[:, 0] + shift + 0.5 * rng.normal(size=900) > 0, "yes", "no")
    return x, y, slices


@pytest.fixture(scope="package")
def simulate(people):
    """``simulate_runs`` on these data with a fast learner."""

    def call(estimator=None, data=None, **options):
        x, y, slices = people if data is None else data
        options = {"random_state": 1, "progress": False, "sizes": [40, 80, 160], "replicates": 2} | options
        return simulated(GaussianNB() if estimator is None else estimator, x, y, slices, **options)

    return call
