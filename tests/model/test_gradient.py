"""The log-density and its gradient where the sampler starts: finite, and what finite differences say.

The graphs are evaluated as they are written, operation by operation: compiling one takes half a minute, this takes
seconds, and what a compiler makes of them is tested by every fit.
"""

import numpy as np
import pandas as pd
import pytest

from labelvalue import read_runs
from labelvalue.model.curve.observations import observe
from labelvalue.model.hierarchy.model_check import density_and_gradient
from labelvalue.testing import fake_runs

SIZES = (1000, 2000, 4000)
STEP = 1e-5


def changed(runs, **columns):
    """The same runs with other numbers in some columns."""
    kept = ["slice", "labels", "other_labels", "errors", "trials", "replicate", "learner"]
    return read_runs(runs[kept].to_dataframe().reset_index(drop=True).assign(**columns))


def flat(runs):
    return changed(runs, errors=0)


def without_labels(runs):
    """The smallest runs of the first slice had none of its labels."""
    labels, other = runs["labels"].values.copy(), runs["other_labels"].values.copy()
    first = (runs["slice"].values == "a") & (labels + other < 1500)
    other[first] += labels[first]
    none = changed(runs, labels=np.where(first, 0, labels), other_labels=other)
    assert (none["labels"] == 0).any()
    return none


class Density:
    """Log-density and gradient of the model of one set of runs, as functions of a flat point."""

    def __init__(self, power_law, runs):
        observations = observe(runs)
        self.model = power_law.build(observations, power_law.priors)
        self._both = density_and_gradient(self.model)
        self.start = self.model.initial_point(random_seed=1)

    def __call__(self, point):
        return self._both(point)

    def shape(self, point):
        return {v.name: np.shape(point[v.name]) for v in self.model.value_vars}

    def moved(self, point, along):
        """Add a flat vector to a point."""
        out, at = {}, 0
        for name, shape in self.shape(point).items():
            size = int(np.prod(shape))
            out[name] = np.asarray(point[name]) + along[at : at + size].reshape(shape)
            at += size
        return out

    def check(self, point, directions):
        value, slopes = self(point)
        assert np.isfinite(value)
        assert np.isfinite(slopes).all()
        for along in directions:
            ahead, behind = (self(self.moved(point, sign * STEP * along))[0] for sign in (1, -1))
            assert (ahead - behind) / (2 * STEP) == pytest.approx(slopes @ along, rel=1e-5, abs=1e-4)


@pytest.fixture(scope="module")
def base():
    return fake_runs(seed=1, slices=("a", "b"), sizes=SIZES, replicates=2)


@pytest.fixture(scope="module")
def make(power_law, base, values):
    one = pd.DataFrame({"slice": ["a", "a"], "labels": 500, "errors": [40, 44], "trials": 200, "replicate": [0, 1]})
    many = {"slices": ("a", "b"), "learners": ("x", "y"), "sizes": (1000, 4000), "replicates": 1}
    runs = {
        "fake runs": lambda: base,
        "no errors at all": lambda: flat(base),
        "runs without labels": lambda: without_labels(base),
        "values without an upper bound": lambda: values(sizes=(500, 1000, 2000)),
        "several learners": lambda: fake_runs(seed=2, **many),
        "one slice, one size": lambda: read_runs(one),
    }
    return lambda which: Density(power_law, runs[which]())


@pytest.mark.parametrize(
    "which",
    [
        "fake runs",
        "no errors at all",
        "runs without labels",
        "values without an upper bound",
        "several learners",
        "one slice, one size",
    ],
)
def test_gradient_is_finite_and_right(which, make):
    density = make(which)
    rng = np.random.default_rng(1)
    size = density(density.start)[1].size
    every = np.eye(size) if which == "fake runs" else np.concatenate([np.ones((1, size)), rng.normal(size=(4, size))])
    density.check(density.start, every)
    elsewhere = density.moved(density.start, rng.uniform(-1, 1, size))
    density.check(elsewhere, rng.normal(size=(3, size)))
