"""What the model sees is what the runs say: against sums and formulas written a second time."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st
from scipy.special import polygamma

from labelvalue import read_runs
from labelvalue.model.curve.observations import CURVE, KNOTS_PER_DOUBLING, LEAST_SIZES, MEMORY, observe, shows_fall


def used(seen: xr.Dataset) -> pd.DataFrame:
    """The cells of a layout that exist, as a table."""
    columns = [n for n, v in seen.data_vars.items() if "slot" in v.dims]
    frame = seen[columns].drop_vars(["slice", "learner", "suite"]).to_dataframe()
    return frame[frame["used"] == 1].sort_values(["labels", "other_labels"])


def test_counts_are_summed_over_replicates(table):
    seen = observe(table([("a", 100, 30, 100), ("a", 100, 20, 50), ("a", 200, 10, 100)]))
    cells = used(seen)
    assert cells["labels"].tolist() == [100, 200]
    assert cells["runs"].tolist() == [2, 1]
    np.testing.assert_allclose(cells["log_error"], np.log([50.5 / 150.5, 10.5 / 100.5]))
    # With two sizes the trend runs through both: the variance is that of the (nearly) observed rate.
    level = (np.array([50, 10]) + 400) / (np.array([150, 100]) + 400 / np.array([50.5 / 150.5, 10.5 / 100.5]))
    wrong = np.array([150, 100]) * level + 0.5
    np.testing.assert_allclose(cells["sampling_variance"], polygamma(1, wrong) - polygamma(1, [151, 101]))
    np.testing.assert_allclose(cells["rounding"], np.array([2, 1]) / (12 * wrong**2))


def test_log_error_is_near_the_logarithm_of_the_share_and_its_variance_near_the_binomials(table):
    cells = used(observe(table([("a", 100, 300, 1000)])))
    assert cells["log_error"].item() == pytest.approx(np.log(0.3), abs=2e-3)
    assert cells["sampling_variance"].item() == pytest.approx(0.7 / 300, rel=5e-3)


@pytest.mark.parametrize("mean", [3, 5, 20, 100])
def test_pooling_many_small_counts_leaves_hardly_a_bias(mean, table):
    """A cell that by chance has few wrong answers must not count for less: 400 cells of one true rate, eight times."""
    rng, trials = np.random.default_rng(mean), 2000
    found = []
    for _ in range(8):
        rows = [("a", 10_000 + i, c, trials) for i, c in enumerate(rng.binomial(trials, mean / trials, 400))]
        cells = used(observe(table(rows)))
        weight = 1.0 / cells["sampling_variance"]
        found.append((weight * cells["log_error"]).sum() / weight.sum() - np.log(mean / trials))
    standard_error = 1.0 / np.sqrt(mean * 3200)
    assert abs(np.mean(found)) < 0.02 / mean + 4.0 * standard_error


def test_a_strategy_and_a_noise_are_cells_of_their_own(table):
    rows = [("a", 100, 30, 100, {"strategy": s, "label_noise": n}) for s in ("random", "margin") for n in (0.0, 0.2)]
    seen = observe(table(rows))
    cells = used(seen)
    assert seen.attrs["strategies"] == ["random", "margin"]
    assert sorted(zip(cells["strategy_code"], cells["label_noise"], strict=True)) == [
        (0, 0), (0, 0.2), (1, 0), (1, 0.2),
    ]  # fmt: skip


def test_label_noise_that_is_not_known_counts_as_none(table):
    assert (used(observe(table([("a", 100, 30, 100)])))["label_noise"] == 0).all()


def test_suites_are_curves(table):
    seen = observe(table([("a", 100, 30, 100, {"suite": s}) for s in ("holdout", "shifted")]))
    assert seen["suite"].values.tolist() == ["holdout", "shifted"]


def test_other_composition_is_another_cell(table):
    rows = [("a", 100, 30, 100, {"other_labels": o}) for o in (0, 300, 300)]
    cells = used(observe(table(rows)))
    assert cells["other_labels"].tolist() == [0, 300]
    assert cells["runs"].tolist() == [1, 2]


def test_knots_are_half_doublings_below_the_largest_size(table):
    seen = observe(table([("a", n, 10, 100) for n in (8000, 6000, 4000, 1000)]))
    np.testing.assert_allclose(seen["distance"].values, [[0.0, 0.5, 1.0, 3.0]])
    assert seen["labels"].values[0, :, 0].tolist() == [8000, 6000, 4000, 1000]
    assert seen["reference_labels"].item() == 8000
    assert seen["sizes"].item() == 4
    assert KNOTS_PER_DOUBLING == 2


def test_what_lies_far_below_is_left_out_unless_there_is_little_else(table):
    many = observe(table([("a", n, 10, 100) for n in (10, 20, 500, 1000, 2000, 4000, 8000)]))
    assert sorted(used(many)["labels"]) == [1000, 2000, 4000, 8000]
    few = observe(table([("a", n, 10, 100) for n in (10, 100, 8000)]))
    assert sorted(used(few)["labels"]) == [10, 100, 8000]
    assert LEAST_SIZES == 3
    near = 8000 / 2.0 ** np.arange(0, MEMORY + 0.5, 0.5)
    at_the_edge = observe(table([("a", round(n), 10, 100) for n in (*near, 100, 10)]))
    assert used(at_the_edge)["labels"].min() == 8000 / 2**MEMORY


def test_a_run_with_few_labels_of_its_slice_by_chance_is_as_near_as_its_whole_set(table):
    shares = {500: (9, 99), 1000: (30, 400), 2000: (40, 500), 4000: (60, 1500), 8000: (50, 3000)}
    rows = [("a", own, 9, 99, {"other_labels": every - own}) for every, some in shares.items() for own in some]
    seen = sorted(used(observe(table(rows)))["labels"])
    assert seen == [30, 40, 50, 60, 400, 500, 1500, 3000], "four sizes of the whole set, or within two doublings"


def test_the_reference_is_each_curves_largest_size_and_what_went_with_it(table):
    rows = [("a", 100, 9, 99, {"other_labels": 900}), ("a", 400, 9, 99, {"other_labels": 100})]
    rows += [("a", 400, 9, 99, {"other_labels": 300}), ("b", 50, 9, 99, {"other_labels": 7})]
    seen = observe(table(rows)).set_xindex("slice")
    assert seen["reference_labels"].sel(slice=["a", "b"]).values.tolist() == [400, 50]
    assert seen["reference_other_labels"].sel(slice=["a", "b"]).values.tolist() == [200, 7]


def test_padding_is_marked_and_harmless(table):
    seen = observe(table([("a", n, 10, 100) for n in (100, 200, 400)] + [("b", 100, 10, 100)]))
    assert seen["used"].sum("knot").values[:, 0].tolist() == [3, 1]
    empty = seen.where(seen["used"] == 0)
    assert (empty["sampling_variance"].isin([1.0]) | np.isnan(empty["sampling_variance"])).all()
    assert (np.diff(seen["distance"], axis=1) >= 0).all()
    assert all(np.isfinite(v.values).all() for v in seen.data_vars.values())


def test_scatter_of_runs_on_sets_of_their_own_is_about_the_cells_mean(table):
    errors = np.array([30, 20, 25])
    cells = used(observe(table([("a", 100, e, 100) for e in errors])))
    level = 75.5 / 300.5
    level = (75 + 400) / (300 + 400 / level)
    assert cells["scatter"].item() == pytest.approx((((errors / 100 - 0.25) / level) ** 2).sum())
    assert cells["scatter_df"].item() == 2
    assert cells[["set_weight", "apart"]].values.tolist() == [[1, 1]]


def test_scatter_of_runs_on_shared_sets_is_about_the_sets_mean(table):
    by_set = {"u": [30, 20], "v": [44, 40]}
    rows = [("a", 100, e, 100, {"evaluation_set": s}) for s, errors in by_set.items() for e in errors]
    rows += [("a", 200, 9, 100, {"evaluation_set": "u"}), ("a", 200, 8, 100, {"evaluation_set": "v"})]
    cells = used(observe(table(rows)))
    level = 134.5 / 400.5
    level = (134 + 400) / (400 + 400 / level)  # the trend runs through both sizes
    squares = ((np.array([0.3, 0.2]) - 0.25) ** 2).sum() + ((np.array([0.44, 0.4]) - 0.42) ** 2).sum()
    assert cells[["set_weight", "apart"]].values.tolist() == [[0, 0], [0, 0]]
    assert cells["scatter"].tolist() == pytest.approx([squares / level**2, 0.0])
    assert cells["scatter_df"].tolist() == [2, 0]


def test_a_set_that_is_used_once_is_not_shared(table):
    rows = [("a", n, 10, 100, {"evaluation_set": f"s{n}"}) for n in (100, 200)]
    assert (used(observe(table(rows)))["set_weight"] == 1).all()


def test_a_set_that_one_sizes_replicates_share_counts_once_for_all_of_them(table):
    rows = [("a", n, 10, 100, {"evaluation_set": f"s{n}"}) for n in (100, 200) for _ in range(3)]
    cells = used(observe(table(rows)))
    assert cells[["set_weight", "apart"]].values.tolist() == [[3, 0], [3, 0]]
    assert cells["scatter_df"].tolist() == [2, 2]


def test_sets_of_other_slices_with_the_same_name_are_other_sets(table):
    rows = [(s, 100, 10, 100, {"evaluation_set": "v"}) for s in "ab"]
    assert (used(observe(table(rows)))["set_weight"] == 1).all()


def test_zero_errors_need_no_logarithm_of_zero(table):
    cells = used(observe(table([("a", n, 0, 100) for n in (100, 100, 200)])))
    np.testing.assert_allclose(cells["log_error"], np.log([0.5 / 200.5, 0.5 / 100.5]))
    assert np.isfinite(cells.to_numpy(float)).all()
    assert (cells["scatter"] == 0).all()


def test_runs_without_labels_inform_but_are_no_size(table):
    with np.errstate(divide="raise", invalid="raise"):
        seen = observe(table([("a", n, 40 - n // 10, 100, {"other_labels": 500}) for n in (0, 100, 200)]))
    assert used(seen)["labels"].tolist() == [0, 100, 200]
    assert seen["sizes"].item() == 2
    assert seen["reference_labels"].item() == 200
    assert seen["distance"].max() == np.round(2 * np.log2(200 / 0.5)) / 2


def test_a_slice_with_no_labels_at_all_is_anchored_where_its_neighbours_are(table):
    rows = [("a", 0, 40, 100, {"other_labels": 500}), ("b", 100, 10, 100), ("c", 400, 10, 100)]
    seen = observe(table(rows)).set_xindex("slice").sel(slice="a")
    assert seen["reference_labels"].item() == 200  # the geometric mean
    assert seen["sizes"].item() == 0
    assert seen["used"].sum() == 1
    assert observe(table([("a", 0, 40, 100)]))["reference_labels"].item() == 100


def test_one_size_is_one_knot(table):
    seen = observe(table([("a", 100, 10, 100), ("b", 300, 9, 100)]))
    assert dict(seen.sizes) == {CURVE: 2, "knot": 1, "slot": 1}
    assert seen["sizes"].values.tolist() == [1, 1]


def test_every_slice_under_every_learner_is_a_curve_with_or_without_runs(table):
    rows = [("b", 100, 10, 100, {"learner": "x"}), ("a", 200, 10, 100, {"learner": "x"})]
    rows += [("b", 400, 9, 90, {"learner": "y"})]
    seen = observe(table(rows))
    assert list(zip(seen["slice"].values, seen["learner"].values, strict=True)) == [
        ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"),
    ]  # fmt: skip
    assert seen["sizes"].values.tolist() == [1, 0, 1, 1]
    assert seen["used"].sum(("knot", "slot")).values.tolist() == [1, 0, 1, 1]
    assert (seen["reference_labels"] > 0).all()


def test_values_come_with_their_standard_errors():
    rows = [("a", 100, 4.0, 0.3, 0), ("a", 100, 5.0, 0.4, 1), ("a", 200, 3.0, 0.3, 0)]
    runs = read_runs(pd.DataFrame(rows, columns=["slice", "labels", "value", "stderr", "replicate"]), metric="rmse")
    seen = observe(runs)
    cells = used(seen)
    variance = np.array([(0.09 + 0.16) / 2 / 2, 0.09])
    own = np.array([4.5, 3.0])  # the trend runs through both, so the level is the value itself
    np.testing.assert_allclose(cells["sampling_variance"], variance / own**2)
    np.testing.assert_allclose(cells["log_error"], np.log(own) + 0.5 * variance / own**2)
    np.testing.assert_allclose(cells["scatter"], [2 * (0.5 / 4.5) ** 2, 0.0])
    assert (cells["rounding"] > 0).all()
    assert np.isinf(seen.attrs["upper"])


def test_a_value_at_its_best_needs_no_logarithm_of_zero():
    rows = [("a", 100, 0.0, 0.1), ("a", 200, 0.4, 0.1)]
    runs = read_runs(pd.DataFrame(rows, columns=["slice", "labels", "value", "stderr"]), metric="mae")
    cells = used(observe(runs))
    assert np.isfinite(cells.to_numpy(float)).all()


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_rows_changes_nothing(random, seed):
    rng = np.random.default_rng(seed)
    rows = [
        (s, n, int(rng.integers(0, 40)), 100, r, v, o)
        for s in ("a", "b") for n in (50, 100, 400) for r, v in ((0, "u"), (1, ""), (2, "u")) for o in (0, 30)
    ]  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=["slice", "labels", "errors", "trials", "replicate", "evaluation_set", "other_labels"]
    )
    order = list(range(len(frame)))
    random.shuffle(order)
    xr.testing.assert_identical(observe(read_runs(frame)), observe(read_runs(frame.iloc[order])))


def test_a_fall_is_shown_by_two_standard_errors_of_a_curves_own_runs(table):
    """Two sizes, 4,000 items each in four runs: the logs of their errors differ by 1.5 or by 2.5 standard errors."""
    error = np.sqrt(2 * 0.8 / (0.2 * 4000))

    def falls(away, **more):
        wrong = {500: round(200 * np.exp(away * error)), 4000: 200}
        rows = [("a", n, k, 1000, {"replicate": r, **more}) for n, k in wrong.items() for r in range(4)]
        return shows_fall(observe(table(rows))).item()

    assert [falls(away) for away in (-3.0, 0.0, 1.5, 2.5)] == [False, False, False, True]
    assert falls(0.0, strategy="margin")  # nothing that is judged here could tell
    assert not shows_fall(observe(table([("a", 500, 800, 4000)]))).item()


def test_a_curve_without_replicates_shows_a_fall_only_beyond_its_own_scatter(table):
    wild, calm = ([("a", 250 * 2**i, wrong, 4000) for i, wrong in enumerate(some)] for some in WILD_AND_CALM)
    assert not shows_fall(observe(table(wild))).item()
    assert shows_fall(observe(table(calm))).item()


WILD_AND_CALM = ([1000, 600, 1100, 700, 800], [1000, 940, 880, 830, 780])
