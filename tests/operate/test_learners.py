"""An old learner counts for as much as the runs say: the factor is learned in the fit, and reported (P10)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelvalue import fit, read_runs
from labelvalue.operate.learners import carried_over, runs_of

SLICES = tuple("abcdef")
ELASTICITIES = np.array([0.08, 0.14, 0.2, 0.28, 0.36, 0.45])


def world(new_elasticities):
    """Six curves of an old learner, well measured, and six short ones of a new learner."""
    rng = np.random.default_rng(7)
    rows = []
    for learner, sizes, own in (("old", (250, 500, 1000, 2000, 4000), ELASTICITIES), ("new", (500, 1000),
                                                                                       new_elasticities)):  # fmt: skip
        for name, elasticity in zip(SLICES, own, strict=True):
            for size in sizes:
                for replicate in range(3):
                    error = 0.2 * (size / 1000) ** -elasticity * np.exp(0.01 * rng.standard_normal())
                    counts = {"errors": int(rng.binomial(4000, error)), "trials": 4000}
                    rows.append({"slice": name, "learner": learner, "labels": size, "replicate": replicate, **counts})
    return read_runs(pd.DataFrame(rows))


@pytest.mark.slow(reason="four real fits")
def test_p10_old_curves_count_for_less_the_less_the_new_ones_resemble_them():
    shares = {}
    for name, elasticities in (("alike", ELASTICITIES), ("unlike", ELASTICITIES[::-1])):
        runs = world(elasticities)
        together, alone = (fit(r, random_seed=1, draws=500, progress=False) for r in (runs, runs_of(runs, ["new"])))
        shares[name] = np.mean([row["share"] for row in carried_over(together, alone, "new", 1000)])
    assert shares["alike"] > shares["unlike"] + 0.1, shares
