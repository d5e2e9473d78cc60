"""A second world: slices crossed with learners, a strategy beside random, wrong labels in training and evaluation.

NumPy alone, as in :mod:`tests.statistics.world`, with what that world leaves out. Every run has an evaluation set of
its own and no labels of other slices. One layout throughout, so that one compiled model serves every data set.
"""

import dataclasses

import numpy as np
import pandas as pd

from labelvalue import Prior, read_runs
from labelvalue.model.curve.families import set_evaluation_noise
from labelvalue.model.curve.observations import observe
from tests.statistics.world import SIZES, Bench, astray, draw, relative_error, signed

SLICES, LEARNERS = ("east", "north", "south"), ("line", "tree")
WRONG = 0.2  # share of wrong training labels in the runs that have any
KINDS = (("random", 0.0), ("margin", 0.0), ("random", WRONG))
REPLICATES, TRIALS, CAP = 2, 2000, 0.95
EVALUATION = Prior("logitnormal", -3.2, 0.3)  # what is known of the share of wrong evaluation labels of each slice

ALSO = {
    "elasticity_between": ("lognormal", -1.5, 0.4),
    "efficiency_mean": ("normal", 0.2, 0.3),
    "efficiency_spread": ("lognormal", -1.8, 0.4),
    "efficiency_trend": ("normal", 0.0, 0.1),
    "noise_cost": ("lognormal", 0.69, 0.3),
}


def simulate(priors, seed):
    """Draw parameters from the priors, and runs from them; return the runs and the truth by name."""
    rng = np.random.default_rng(seed)
    group = {name: draw(prior, rng) for name, prior in priors.items() if name != "elasticity_between"}
    where = [(s, k) for s in range(len(SLICES)) for k in range(len(LEARNERS))]
    of_slice, of_learner = (np.array(places) for places in zip(*where, strict=True))
    count = len(where)

    def level(name):
        return group[f"{name}_mean"] + group[f"{name}_spread"] * rng.standard_normal(count)

    between = {d: draw(priors["elasticity_between"], rng) for d in ("slices", "learners")}
    whole = between["slices"] * rng.standard_normal(len(SLICES))[of_slice]
    whole = whole + between["learners"] * rng.standard_normal(len(LEARNERS))[of_learner]
    error = 1 / (1 + np.exp(-level("error")))
    elasticity = signed(level("elasticity") + whole)
    bending = np.log1p(np.exp(level("floor")))
    floor, training = bending / (1 + bending), np.exp(level("training"))
    scale = np.exp(level("discrepancy") + group["discrepancy_power"] * np.log(elasticity / 0.05))
    efficiency = np.exp(level("efficiency"))
    evaluation = 1 / (1 + np.exp(-(EVALUATION.center + EVALUATION.spread * rng.standard_normal(len(SLICES)))))
    rows = []
    for i in range(count):
        back = scale[i] * astray(np.arange(SIZES.size, dtype=float), rng)[::-1]
        name, learner, eta = SLICES[of_slice[i]], LEARNERS[of_learner[i]], evaluation[of_slice[i]]
        for size, stray in zip(SIZES, back, strict=True):
            for strategy, wrong in KINDS:
                ratio = size / SIZES[-1]
                chosen = strategy != "random"
                ratio = ratio * (efficiency[i] * ratio ** group["efficiency_trend"] if chosen else 1.0)
                ratio = ratio * (1 - 2 * wrong) ** group["noise_cost"]
                expected = error[i] * relative_error(ratio, elasticity[i], floor[i]) * np.exp(stray)
                shrink = (size / SIZES[-1]) ** (-group["training_decay"] / 2)
                for replicate in range(REPLICATES):
                    true = min(expected * np.exp(training[i] * shrink * rng.standard_normal()), CAP)
                    told = rng.binomial(TRIALS, eta + true * (1 - 2 * eta))
                    rows.append((name, learner, strategy, size, wrong, told, TRIALS, replicate))
    columns = ["slice", "learner", "strategy", "labels", "label_noise", "errors", "trials", "replicate"]
    truth = {name: np.array(value) for name, value in group.items() if not name.startswith("churn")}
    truth |= {f"elasticity_between_{d}": np.array(value) for d, value in between.items()}
    truth |= {"error_reference": error, "curve_elasticity": elasticity, "floor_share": floor, "training_sd": training}
    truth |= {"discrepancy": scale, "efficiency": efficiency, "evaluation_noise": evaluation[of_slice]}
    return read_runs(pd.DataFrame(rows, columns=columns)), truth


class CrossedBench(Bench):
    """The one compiled model of this layout."""

    def __init__(self):
        super().__init__()
        self.priors |= {name: Prior(*numbers) for name, numbers in ALSO.items()}
        self.priors = {name: prior for name, prior in self.priors.items() if not name.startswith("transfer")}
        self.model = dataclasses.replace(self.model, priors=self.model.priors.replace(self.priors))

    def observe(self, runs):
        return set_evaluation_noise(observe(runs), EVALUATION)
