"""Noise against quantity, and gains with better or worse labels."""

import numpy as np
import pytest

from labelvalue import InputError, predict_gain
from labelvalue.forecast.interventions.intervention import noise_cost
from labelvalue.forecast.interventions.label_quality import consensus_error
from labelvalue.label_quality import quality_frontier

SAMPLE = ("chain", "draw")


@pytest.fixture(scope="module")
def frontier(fake_fit):
    return quality_frontier(fake_fit, 600, price=0.1, item_price=0.3, noise={"default": 0.02, "west": 0.42},
                            votes=(1, 3, 5))  # fmt: skip


def test_the_sum_buys_fewer_items_with_more_votes(frontier):
    assert frontier["labels"].values.tolist() == [1500, 1000, 750]


def test_one_vote_is_the_plain_gain(frontier, fake_fit):
    plain = predict_gain(fake_fit, [1500]).sel(budget=1500)
    np.testing.assert_allclose(frontier["gain"].sel(votes=1), plain.transpose(*SAMPLE, "slice"), atol=1e-12)


def test_votes_pay_where_labels_are_bad_only(frontier):
    chosen = frontier["votes_chosen"].to_series()
    assert chosen[["east", "north", "south"]].tolist() == [1, 1, 1]
    assert chosen["west"] > 1
    np.testing.assert_allclose(frontier["p_best"].sum("votes"), 1.0)
    best = frontier["p_best"].sel(votes=frontier["votes_chosen"])
    assert (best > 0.5).all()


def test_the_choice_is_that_of_brute_force(frontier, fake_fit):
    """Effective labels of each way by hand, the curve read at that many."""
    cost = noise_cost(fake_fit)[0]
    now = fake_fit.position["labels_now"].sel(slice="west").item()
    noise, place = 0.42, (1, 17)
    gains = []
    for votes, count in zip((1, 3, 5), frontier["labels"].values, strict=True):
        mixed = (now * noise + count * consensus_error(noise, votes)) / (now + count)
        effective = (now + count) * ((1 - 2 * mixed) / (1 - 2 * noise)) ** float(cost[place])
        more = round(float(effective - now))
        gains.append(float(predict_gain(fake_fit, [more]).sel(slice="west", budget=more)[place]))
    np.testing.assert_allclose(frontier["gain"].sel(slice="west")[place], gains, rtol=1e-3)


def test_wrong_evaluation_labels_hide_part_of_the_gain(frontier):
    ratio = (frontier["shown_gain"] / frontier["gain"]).mean(SAMPLE).sel(slice="west")
    np.testing.assert_allclose(ratio, [1 - 2 * consensus_error(0.42, votes) for votes in (1, 3, 5)])


def test_items_beat_votes_where_they_cost_nothing_but_votes_and_are_many(fake_fit):
    given = {"price": 0.1, "noise": 0.05, "votes": (1, 3)}
    free = quality_frontier(fake_fit, 600, **given)
    assert free["labels"].values.tolist() == [6000, 2000]
    assert (free["votes_chosen"] == 1).all()
    few = quality_frontier(fake_fit, 600, available=1000, **given)
    assert few["labels"].values.tolist() == [1000, 1000]
    assert (few["votes_chosen"] == 3).all()


def test_the_surface_rises_with_items(frontier):
    surface = frontier["surface"].sel(slice="east", votes=1)
    assert (surface.diff("budget") > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"money": 0.2}, "buys no item with 5 votes"),
        ({"price": -1}, "'price'.*> 0"),
        ({"votes": ()}, "none given"),
        ({"noise": None}, "not known"),
    ],
)
def test_what_cannot_be_bought_is_refused(fake_fit, settings, says):
    given = {"money": 600, "price": 0.1, "noise": 0.1, "votes": (1, 5)} | settings
    with pytest.raises(InputError, match=says):
        quality_frontier(fake_fit, given.pop("money"), **given)
