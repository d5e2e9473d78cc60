"""An old learner's runs count for a new one as far as the runs themselves say: real fits of two learners.

Eight slices; the old learner was trained on up to 8,000 labels of each, the new one on up to 1,000. Either both learn
alike, or the slices in which one learns fast are those in which the other learns slowly.
"""

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue.operate.refit.refit import _gain_from, _now, carried_over, counted, runs_of

SLICES, TYPICAL = 8, -1.3
NEW = "new"


def two_learners(alike: bool):
    """A runs table, and the true gain of the new learner from 8,000 to 15,000 labels by slice."""
    rng = np.random.default_rng(1)
    level = TYPICAL + 0.5 * rng.standard_normal(SLICES)
    elasticity = {"old": np.exp(level), NEW: np.exp(level if alike else 2 * TYPICAL - level)}
    start = np.exp(-1.2 + 0.25 * np.sin(np.arange(SLICES)))
    rows = []
    for learner, better, sizes in (("old", 1.0, 125 * 2 ** np.arange(7)), (NEW, 0.85, 125 * 2 ** np.arange(4))):
        for i in range(SLICES):
            for size in sizes:
                for replicate in range(3):
                    noise = 0.03 * np.sqrt(1000 / size) * rng.standard_normal()
                    error = better * start[i] * (size / 125) ** -elasticity[learner][i] * np.exp(noise)
                    rows.append((f"s{i}", size, 0, rng.binomial(4000, error), 4000, replicate, learner))
    columns = ["slice", "labels", "other_labels", "errors", "trials", "replicate", "learner"]
    gain = 0.85 * start * (64.0 ** -elasticity[NEW] - 120.0 ** -elasticity[NEW])
    return lv.read_runs(pd.DataFrame(rows, columns=columns)), gain


@pytest.fixture(scope="module")
def fits():
    """By whether they are alike: the fit of all runs, that of the new learner's own, the true gains."""
    found = {}
    for alike in (True, False):
        runs, gain = two_learners(alike)
        both = (lv.fit(part, random_seed=1, progress=False) for part in (runs, runs_of(runs, [NEW])))
        found[alike] = (*both, gain)
    return found


@pytest.mark.slow(reason="four fits")
def test_old_curves_count_for_more_where_learners_agree(fits):
    factor = {alike: counted(together) for alike, (together, _, _) in fits.items()}
    assert factor[True]["mean"] > 2 * factor[False]["mean"]
    assert factor[True]["mean"] > factor[True]["prior"] + 0.2
    assert factor[False]["mean"] < factor[False]["prior"] + 0.05
    assert factor[False]["high"] < 0.6 < factor[True]["high"]


@pytest.mark.slow(reason="the same four fits")
def test_old_runs_narrow_the_gain_and_mislead_in_neither_case(fits):
    for together, alone, gain in fits.values():
        assert (together.diagnostics.verdict, alone.diagnostics.verdict) == ("ok", "ok")
        assert np.mean([row["share"] for row in carried_over(together, alone, NEW, 7000)]) > 0.3
        forecast = lv.predict_gain(together, [7000]).isel(budget=0).sel(learner=NEW).mean(("chain", "draw"))
        by_itself = _gain_from(alone, _now(together, NEW), 7000).mean(("chain", "draw"))
        with_old, without = (float(np.sqrt(((f.values - gain) ** 2).mean())) for f in (forecast, by_itself))
        assert with_old < 0.75 * without
