"""What is held out, and what the truth and its noise are."""

import numpy as np
import pandas as pd
import pytest

from labelvalue import InputError, names, read_runs, testing
from labelvalue.forecast.backtesting.holdout import batch_order, frame_of, measure, origins, refuse

DOUBLING = (125, 250, 500, 1000, 2000, 4000)


def table(rows, **how):
    """Runs from rows of (slice, labels, errors) and further columns."""
    return read_runs(pd.DataFrame(rows).assign(trials=1000), **how)


def grid(slices=("a",), sizes=DOUBLING, replicates=3, **more):
    rows = [
        {"slice": s, "labels": n, "errors": 300 - 10 * i + r, "replicate": r} | more
        for s in slices
        for i, n in enumerate(sizes)
        for r in range(replicates)
    ]
    return rows


def split(runs, by="size", holdout=(1, 2, 3)):
    return {o.steps: o for o in origins(frame_of(runs, by), by, holdout)}


def test_the_largest_doublings_are_held_out_and_nothing_else():
    found = split(table(grid()))
    for steps, origin in found.items():
        kept = DOUBLING[: len(DOUBLING) - steps]
        assert set(origin.past[names.LABELS]) == set(kept)
        future = origin.future.groupby(names.DISTANCE)[names.LABELS].unique()
        assert {d: list(n) for d, n in future.items()} == {d: [kept[-1] * 2**d] for d in range(1, steps + 1)}
        assert len(origin.past) + len(origin.future) == 18
    assert sorted(found) == [1, 2, 3]


def test_three_sizes_must_remain():
    assert sorted(split(table(grid(sizes=DOUBLING[:4])))) == [1]
    assert split(table(grid(sizes=DOUBLING[:3]))) == {}


def test_sizes_that_differ_by_little_are_one_size():
    assert split(table(grid(sizes=(1000, 1010, 1020, 1030, 1040)))) == {}


def test_coarse_sizes_give_no_origin_twice():
    found = split(table(grid(sizes=(10, 80, 640, 5120, 40960))))
    assert sorted(found) == [1]
    assert set(found[1].future[names.DISTANCE]) == {3}


def test_a_size_in_between_goes_to_the_nearest_doubling_and_a_near_one_is_not_scored():
    found = split(table(grid(sizes=(100, 200, 400, 800, 1000, 1500))))[1]
    assert set(found.past[names.LABELS]) == {100, 200, 400, 800}
    assert set(found.future[names.LABELS]) == {1500}
    assert set(found.future[names.DISTANCE]) == {1}
    assert found.future["ahead"].iloc[0] == pytest.approx(np.log2(1500 / 800))


def test_slices_grown_together_are_split_by_the_whole_training_set():
    """Composition varies, so a slice's own labels overlap between sizes; the training sets do not."""
    runs = testing.fake_runs(seed=1)
    for steps, origin in split(runs).items():
        total = origin.past[names.LABELS] + origin.past[names.OTHER_LABELS]
        assert total.max() <= 8000 / 2**steps + 4
        assert origin.future.groupby([names.SLICE, names.DISTANCE]).size().eq(4).all()


def test_two_sizes_of_varied_composition_are_two_sizes():
    assert split(testing.fake_runs(seed=1, sizes=(1000, 2000))) == {}


def test_a_slice_grown_alone_is_split_by_its_own_labels():
    found = split(table(grid(other_labels=50_000)))
    assert set(found[1].future[names.LABELS]) == {4000}


def test_a_slice_with_too_few_sizes_is_seen_but_not_scored():
    found = split(table(grid(("a",)) + grid(("b",), sizes=DOUBLING[:2])))[1]
    assert set(found.future[names.SLICE]) == {"a"}
    assert set(found.past[names.SLICE]) == {"a", "b"}


def test_only_runs_of_the_kind_that_is_forecast_are_scored():
    other = [row | {"strategy": "uncertainty"} for row in grid()] + [
        row | {"label_noise": 0.3, "replicate": row["replicate"] + 10} for row in grid()
    ]
    found = split(table([row | {"label_noise": 0.0} for row in grid()] + other))[1]
    assert set(found.future[names.STRATEGY]) == {"random"}
    assert found.future[names.LABEL_NOISE].max() == 0
    assert set(found.past[names.STRATEGY]) == {"random", "uncertainty"}


def test_learners_are_curves_of_their_own():
    found = split(table(grid(learner="tree") + grid(sizes=DOUBLING[:5], learner="linear")))[1]
    assert found.future.groupby(names.LEARNER)[names.LABELS].unique().map(list).to_dict() == {
        "linear": [2000],
        "tree": [4000],
    }


# --- the truth and its noise ------------------------------------------------------------------------


def test_the_truth_is_the_mean_and_its_noise_the_scatter_of_replicates():
    rng = np.random.default_rng(1)
    rows = [
        {"slice": "a", "labels": n, "errors": int(e), "replicate": r, "evaluation_set": "one"}
        for n in DOUBLING
        for r, e in enumerate(rng.normal(20_000, 800, 50))
    ]
    runs = read_runs(pd.DataFrame(rows).assign(trials=100_000))
    cells = measure(split(runs)[2])
    assert cells[names.RUN_COUNT].tolist() == [50, 50]
    last = runs[names.ERROR].values[runs[names.LABELS].values == 4000]
    assert cells[names.TRUTH].iloc[1] == pytest.approx(last.mean())
    assert cells[names.TRUTH_STDERR].tolist() == pytest.approx([0.008 / np.sqrt(50)] * 2, rel=0.15)


def test_noise_that_composition_explains_is_no_noise_of_the_truth():
    """Errors that follow the slice's own share exactly leave nothing; without the correction they would."""
    rows = []
    for n in DOUBLING:
        for r, share in enumerate((0.3, 0.5, 0.7)):
            own = round(n * share)
            error = 0.2 * (1 - 0.1 * np.log(share / 0.5))
            row = {"slice": "a", "labels": own, "other_labels": n - own, "errors": round(1e6 * error), "replicate": r}
            rows.append(row | {"evaluation_set": "one"})
    cells = measure(split(read_runs(pd.DataFrame(rows).assign(trials=1_000_000)))[1])
    assert cells[names.TRUTH_STDERR].iloc[0] < 1e-4


def test_a_new_evaluation_set_adds_its_own_sampling_and_a_known_one_does_not():
    def runs(last):
        rows = [
            row | {"evaluation_set": last if row["labels"] == 4000 else "old", "errors": 200}
            for row in grid(replicates=4)
        ]
        return table(rows)

    seen = measure(split(runs("old"))[1])[names.TRUTH_STDERR].iloc[0]
    new = measure(split(runs("new"))[1])[names.TRUTH_STDERR].iloc[0]
    assert seen == pytest.approx(0.0, abs=1e-9)
    assert new == pytest.approx(np.sqrt(0.2 * 0.8 / 1000), rel=0.01)


def test_single_runs_on_sets_of_their_own_have_sampling_noise():
    cells = measure(split(table(grid(replicates=1)))[1])
    error = cells[names.TRUTH].iloc[0]
    assert cells[names.TRUTH_STDERR].iloc[0] == pytest.approx(np.sqrt(error * (1 - error) / 1000), rel=0.01)


def test_values_bring_their_standard_error():
    rows = pd.DataFrame([{"slice": "a", "labels": n, "value": 3.0, "stderr": 0.2} for n in DOUBLING])
    cells = measure(split(read_runs(rows, metric="rmse"))[1])
    assert cells[names.TRUTH_STDERR].iloc[0] == pytest.approx(0.2)


# --- batches ----------------------------------------------------------------------------------------


def batches(order=("jan", "feb", "mar", "apr"), start=1000, times=True):
    """Each batch doubles the labels; every batch also measures subsets."""
    rows = []
    for i, name in enumerate(order):
        largest = start * 2**i
        for labels in (largest // 4, largest // 2, largest):
            time = {"measured_at": f"2026-0{i + 1}-05"} if times else {}
            rows.append({"slice": "a", "labels": labels, "errors": 300 - 20 * i, "batch": name, "replicate": i} | time)
    return table(rows)


@pytest.mark.parametrize("times", [True, False])
def test_batches_come_in_order_of_time_and_only_what_is_new_is_scored(times):
    found = split(batches(times=times), "batch")
    assert sorted(found) == [1, 2, 3]
    assert set(found[2].past[names.BATCH]) == {"jan", "feb"}
    future = found[2].future.set_index(names.DISTANCE)
    assert future[names.BATCH].to_dict() == {1: "mar", 2: "apr"}
    assert future[names.LABELS].to_dict() == {1: 4000, 2: 8000}
    assert found[2].future["previous"].unique().tolist() == [1000]
    assert found[3].future["previous"].unique().tolist() == [500], "no batch before the first: half of now"


def test_times_rule_over_sizes():
    frame = frame_of(batches(order=("d", "c", "b", "a")), "batch")
    frame[names.MEASURED_AT] = pd.Timestamp("2027-01-01") - (frame[names.MEASURED_AT] - pd.Timestamp("2026-01-01"))
    assert batch_order(frame) == ["a", "b", "c", "d"]


def test_a_batch_that_brought_a_slice_nothing_is_not_scored():
    runs = table(
        [
            {"slice": s, "labels": n, "errors": 200, "batch": b, "replicate": r}
            for r, b in enumerate(("1", "2"))
            for s in ("grows", "stays")
            for n in ((250, 500, 1000, 1500) if s == "grows" and b == "2" else (250, 500, 1000))
        ]
    )
    assert set(split(runs, "batch")[1].future[names.SLICE]) == {"grows"}


# --- what is lacking --------------------------------------------------------------------------------


def test_every_slice_that_lacks_sizes_is_named():
    runs = table(grid(("de",), sizes=DOUBLING[:3]) + grid(("fr",), sizes=DOUBLING[:2]))
    error = refuse(frame_of(runs, "size"), "size", "runs.csv")
    assert isinstance(error, InputError)
    assert [(p.value, p.why.split(";")[0]) for p in error.problems] == [("de", "has 3 sizes"), ("fr", "has 2 sizes")]
    assert all("needs 4" in p.why for p in error.problems)


def test_holding_out_too_much_is_said():
    error = refuse(frame_of(table(grid()), "size"), "size", "runs.csv")
    assert "hold out fewer" in str(error)


@pytest.mark.parametrize(("rows", "said"), [(grid(), "1 batch"), (grid(batch="x"), "1 batch")])
def test_runs_without_batches_are_told_so(rows, said):
    assert said in str(refuse(frame_of(table(rows), "batch"), "batch", "runs.csv"))
