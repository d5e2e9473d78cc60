"""The luck of evaluation items: what a fit says of the population that it saw through few items."""

import numpy as np
import pytest
from scipy import stats

from labelvalue import names, predict_error, predict_gain, predict_observed_gain
from labelvalue.model.curve.observations import observe
from labelvalue.model.fitting.result import few_items, items_notes, luck_of_items, on_items
from labelvalue.testing import fake_fit
from tests.fits import altered, share_items

SHARED = ["east", "north", "south"]


@pytest.fixture(scope="module")
def shared():
    return share_items(fake_fit(seed=1, draws=1000), SHARED)


def _logit(error):
    return np.log(error / (1.0 - error))


def test_m26_population_strays_from_the_items_by_the_variance_that_runs_share(shared):
    """Where the group tells nothing, its level is normal about that on the items; each slice has luck of its own."""
    posterior, position = shared.posterior, shared.position
    wide = posterior.assign(error_mean=0.0 * posterior["churn"], error_spread=1e6 + 0.0 * posterior["churn"])
    luck = luck_of_items(wide, position, shared.walks)
    on = posterior[names.ERROR_REFERENCE]
    z = (_logit(on * np.exp(luck)) - _logit(on)) / np.sqrt(position[names.ITEMS_VARIANCE] * (1 - posterior["churn"]))
    z = z.sel(slice=SHARED)
    assert not luck.sel(slice="west").any()
    assert stats.kstest(z.sel(slice="east").values.ravel(), "norm").pvalue > 1e-3
    assert abs(float(z.mean())) < 4 / np.sqrt(z.size)
    assert float(z.std()) == pytest.approx(1.0, abs=4 / np.sqrt(2 * z.size))
    assert abs(np.corrcoef(z.stack(draws=names.SAMPLE).values)[0, 1]) < 4 / np.sqrt(4000)


def test_m26_few_items_are_shrunk_to_the_group(shared):
    """Normal about normal: the population's level lies between the items' and the mean, by their variances."""
    posterior, position = shared.posterior, shared.position
    group = posterior.assign(error_mean=-1.0 + 0.0 * posterior["churn"], error_spread=0.3 + 0.0 * posterior["churn"])
    items = position[names.ITEMS_VARIANCE] * 0.0 + 0.16
    group["churn"] = 0.0 * group["churn"]
    luck = luck_of_items(group, position.assign(items_variance=items), shared.walks)
    level = _logit(posterior[names.ERROR_REFERENCE])
    kept = 0.09 / (0.09 + 0.16)
    off = _logit(posterior[names.ERROR_REFERENCE] * np.exp(luck)) - (-1.0 + kept * (level + 1.0))
    assert float(off.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(off.std()) == pytest.approx(np.sqrt(kept * 0.16), rel=0.03)


def test_m26_few_errors_are_relatively_less_well_known(shared):
    """A proportion's relative sampling variance is (1 − p) / (p n): it grows as the error falls."""
    now = int(shared.position[names.LABELS_NOW].sel(slice="east"))
    both = (predict_error(one, [now, 64 * now]).sel(slice="east") for one in (shared, on_items(shared)))
    of_population, items = both
    stray = np.log(of_population / items).std(names.SAMPLE)
    mean = items.mean(names.SAMPLE)
    wanted = (1 / mean[1] - 1) / (1 / mean[0] - 1)
    assert float((stray[1] / stray[0]) ** 2) == pytest.approx(float(wanted), rel=0.15)


def test_m26_on_items_is_what_was_fitted(shared):
    """Without luck the errors are those on the items; what one run will show is measured on them too."""
    plain = fake_fit(seed=1, draws=1000)
    back = on_items(shared)
    np.testing.assert_allclose(back.posterior[names.ERROR_NOW], plain.posterior[names.ERROR_NOW])
    np.testing.assert_allclose(predict_gain(back, [500]), predict_gain(plain, [500]))
    np.testing.assert_allclose(predict_observed_gain(shared, [500]), predict_observed_gain(plain, [500]))
    east = {"slice": "east"}
    assert float(shared.posterior[names.ERROR_NOW].sel(east).std()) > float(
        plain.posterior[names.ERROR_NOW].sel(east).std()
    )


def test_m26_shared_items_are_read_off_the_runs(table):
    """One set for all sizes and replicates, five sets, a set of its own for every run."""

    def variance(name_of_set):
        sizes, replicates = (1000, 2000, 4000), range(5)
        named = [({"evaluation_set": name_of_set(n, k), "replicate": k}, n) for n in sizes for k in replicates]
        return observe(table([("a", n, 400, 2000, more) for more, n in named]))[names.ITEMS_VARIANCE].item()

    one = variance(lambda n, k: "a")
    assert one == pytest.approx(1 / (2000 * 0.2 * 0.8), rel=0.01)
    assert variance(lambda n, k: f"fold {k}") == pytest.approx(one / 5, rel=1e-6)
    assert variance(lambda n, k: f"{n} {k}") == 0.0


def test_m26_sets_of_small_runs_alone_do_not_average_the_luck_out(table):
    """Sets whose items no run near the reference size was evaluated on tell nothing of the error there."""
    rows = [("a", n, 9, 99, {"evaluation_set": "one", "replicate": k}) for n in (10, 20) for k in range(5)]
    old = [("a", n, 9, 99, {"evaluation_set": "old"}) for n in (3, 6)]
    alone, both = (observe(table(some))[names.ITEMS_VARIANCE].item() for some in (rows, rows + old))
    assert both == pytest.approx(alone, rel=0.01)  # the trend moves


def test_m26_items_of_the_largest_runs_are_counted_once(table):
    """Five trainings on two named sets, one on a set of its own, and small ones on a set that nobody counts."""
    near = [({"evaluation_set": name, "replicate": k}, 1000) for k, name in enumerate(["a", "a", "b", "b", ""])]
    rows = [("x", n, 8, 38, more) for more, n in [*near, ({"evaluation_set": "old"}, 10)]]
    fit = fake_fit(seed=1, slices=("x",))
    assert few_items(altered(fit, runs=table(rows))).item() == 3 * 38


def test_m26_notes_tell_few_items_from_luck_that_is_most_of_the_width():
    plain = fake_fit(seed=1)
    assert items_notes(plain) == []
    assert few_items(plain).isnull().all()
    told = items_notes(share_items(plain, ["east", "west"], times=0.02))
    assert told == [
        "error now of east is known from 40 items, of west from 40 items: most of its uncertainty is which items these "
        "are; more evaluation labels would narrow it, more runs would not"
    ]
    without = share_items(plain, ["east"], times=0.02)
    assert items_notes(on_items(without)) == ["error now of east is known from 40 items"]
    assert items_notes(share_items(plain, ["east"], times=40)) == []
    assert items_notes(share_items(fake_fit(seed=1, verdict="refused"), ["east"], times=0.02)) == []


def test_m26_a_notebook_shows_how_few_items_an_error_is_known_from():
    shown = share_items(fake_fit(seed=1), ["east"], times=0.02)._repr_html_()
    assert shown.count("40 items") == 2  # in the row, and in the note
    assert "more runs would not" in shown
    assert "known from" not in fake_fit(seed=1)._repr_html_()
