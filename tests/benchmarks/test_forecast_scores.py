import numpy as np
import pandas as pd
import pytest

from benchmarks import scores


def test_problems_count_alike_however_many_curves_they_have():
    rows = pd.DataFrame({"problem": ["a"] * 9 + ["b"], "method": "m", "crps": [1.0] * 9 + [3.0]})
    assert scores.mean_over_problems(rows, ["method"]).loc["m", "crps"] == 2.0
    calibration = scores.gain_calibration(rows.assign(p_gain=[0.2] * 9 + [0.6], gained=[0.0] * 9 + [1.0]))
    assert calibration["share"].tolist() == pytest.approx([0.5, 0.5])


def test_ratio_of_a_method_to_itself_is_one():
    own = np.random.default_rng(7).uniform(size=30)
    assert scores.ratio_interval(own, own) == (1.0, 1.0, 1.0)
    ratio, low, high = scores.ratio_interval(own, own[::-1])
    assert low < ratio < high


def test_a_method_is_better_on_a_share_of_the_curves():
    """By the mean over distances; problems count alike, ties half."""
    ours = [1.0, 5.0, 1.0, 1.0, 2.0, 2.0]
    theirs = [2.0, 3.0, 2.0, 2.0, 2.0, 2.0]
    place = {"problem": ["a"] * 4 + ["b"] * 2, "curve": [0, 0, 1, 1, 0, 0]}
    rows = pd.concat([pd.DataFrame({**place, "method": m, "crps": c}) for m, c in (("ours", ours), ("theirs", theirs))])
    assert scores.share_better(rows, "ours", "theirs") == 0.5
    assert scores.share_better(rows, "theirs", "ours") == 0.5
