"""Labels needed: the inverse of the curve."""

import re

import numpy as np
import pytest

from labelvalue import labels_needed, names, predict_error


def first_below(fit, name, target, needed):
    """Errors just before and just after the labels that were said to be needed, per draw."""
    draws = needed.sel(slice=name, target=target).values
    out = []
    for chain, draw in np.argwhere(np.isfinite(draws))[::97]:
        size = draws[chain, draw]
        error = predict_error(fit, [int(size * 0.98), int(np.ceil(size * 1.02))]).sel(slice=name)
        out.append(error.values[chain, draw])
    return np.array(out)


def test_needed_labels_reach_the_target(straight):
    now = straight.posterior[names.ERROR_NOW].sel(slice="north")
    target = float(now.min()) * 0.97
    needed = labels_needed(straight, [target])
    finite = np.isfinite(needed.sel(slice="north"))
    assert finite.mean() > 0.9
    around = first_below(straight, "north", target, needed)
    assert len(around) > 5
    assert (around[:, 0] > target).all()
    assert (around[:, 1] < target).all()


def test_with_a_discrepancy_too_up_to_the_grid(fake_fit):
    """The first crossing on a grid of eighths of a doubling: just beyond it the error is at the target or less."""
    target = float(fake_fit.posterior[names.ERROR_NOW].sel(slice="north").min()) * 0.97
    around = first_below(fake_fit, "north", target, labels_needed(fake_fit, [target]))
    np.testing.assert_allclose(around.mean(axis=1), target, rtol=0.01)


def test_targets_below_reach_are_never_met(straight):
    below = 0.99 * float(straight.posterior[names.FLOOR].min())
    assert np.isinf(labels_needed(straight, below)).all()


@pytest.mark.parametrize("factor", [0.3, 1, 3])
def test_targets_met_already_need_no_more_than_now(factor, fake_fit, stand_at):
    fit = stand_at(fake_fit, factor)
    needed = labels_needed(fit, 0.999)
    met = needed.sel(target=0.999)
    np.testing.assert_array_equal(*np.broadcast_arrays(met.values, fit.position[names.LABELS_NOW].values))


def test_harder_targets_need_more(fake_fit):
    needed = labels_needed(fake_fit, [0.3, 0.1, 0.2])
    assert needed.dims == ("chain", "draw", "slice", "target")
    assert needed["target"].values.tolist() == [0.3, 0.1, 0.2]
    assert (needed.sel(target=0.1) >= needed.sel(target=0.2)).all()
    assert (needed.sel(target=0.2) >= needed.sel(target=0.3)).all()
    assert needed.attrs[names.UNIT] == "labels"
    assert needed.name == names.LABELS_NEEDED


def test_what_else_is_asked_changes_nothing(fake_fit, change):
    needed = labels_needed(fake_fit, [0.3, 0.1])
    np.testing.assert_array_equal(labels_needed(fake_fit, 0.1).sel(target=0.1), needed.sel(target=0.1))
    few = labels_needed(change(fake_fit, keep=["east", "west"]), [0.3, 0.1])
    np.testing.assert_array_equal(few, needed.sel(slice=["east", "west"]))


def test_several_learners(two_learners):
    assert labels_needed(two_learners, 0.2).dims == ("chain", "draw", "slice", "learner", "target")


@pytest.mark.parametrize("target", [0, 0.0, -0.1, float("nan"), float("inf"), [], [0.1, 0], [0.1, float("nan")]])
def test_bad_targets(target, fake_fit):
    with pytest.raises(ValueError, match=re.escape(f"target must be an error > 0, got {target!r}")):
        labels_needed(fake_fit, target)


@pytest.mark.parametrize("target", ["low", ["low"], None, [None]])
def test_targets_that_are_no_numbers(target, fake_fit):
    with pytest.raises((ValueError, TypeError)):
        labels_needed(fake_fit, target)
