"""What old learners' runs are worth for a new one: figures of the same gain, whatever the new one has seen so far."""

import pytest

from labelvalue import names, predict_gain, testing
from labelvalue.operate.refit.refit import carried_over, counted
from tests.forecast.conftest import changed


@pytest.fixture(scope="module")
def both():
    return testing.fake_fit(seed=1, learners=("old", "new"))


def test_m16_both_widths_are_of_the_gain_from_todays_labels_on(both):
    """A learner that was trained on few labels so far is asked about the labels that there are."""
    alone = testing.fake_fit(seed=1, learners=("new",))
    now = both.position[[names.LABELS_NOW, names.OTHER_LABELS_NOW]].sel(learner="new", drop=True)
    there = changed(alone, position=dict(now.data_vars))
    early = changed(alone, position={name: values // 4 for name, values in now.data_vars.items()})
    found = carried_over(both, early, "new", 500)
    assert found == carried_over(both, there, "new", 500)
    assert found != carried_over(both, there, "new", 5000)
    spread = predict_gain(there, [500]).isel(budget=0).std(names.SAMPLE)
    assert [row["without"] for row in found] == pytest.approx(spread.values)
    of_both = predict_gain(both, [500]).isel(budget=0).sel(learner="new").std(names.SAMPLE)
    assert [row["with"] for row in found] == pytest.approx(of_both.values)


def test_a_slice_that_the_new_learner_has_not_seen_is_left_out(both):
    alone = testing.fake_fit(seed=1, learners=("new",))
    found = carried_over(both, changed(alone, keep=["north", "west"]), "new", 500)
    assert [row["slice"] for row in found] == ["north", "west"]


def test_one_slice_cannot_tell_for_how_much_an_old_curve_counts():
    assert counted(testing.fake_fit(seed=1, slices=("only",), learners=("old", "new"))) is None
