"""What labels take: durations summed, breaks left out, days counted."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import Costs, InputError, names, testing
from labelvalue.label_quality import estimate_work
from labelvalue.model.annotators.work import Work, count_times, throughput

SAMPLE = ("chain", "draw")


@pytest.fixture(scope="session")
def timed():
    """A campaign of two slices, one of which takes twice as long, with three breaks in it."""
    truth = testing.fake_annotation_truth(seed=5, slices=("long", "short"), annotators=4, classes=2)
    table = testing.fake_annotations(seed=5, truth=truth, items=300, votes=2)
    table.loc[table["slice"] == "long", "seconds"] *= 2.0
    table.loc[table.index[:3], "seconds"] = 3000.0
    return table


@pytest.fixture(scope="session")
def work(timed):
    return estimate_work(timed, draws=300, tune=300, progress=False, random_seed=1)


def test_breaks_are_left_out_and_said(timed):
    observations, notes = count_times(timed)
    assert int(observations["count"].sum()) == len(timed) - 3
    assert notes[0].startswith("3 durations above 10 times the median")


def test_seconds_are_recovered(timed, work):
    rest = timed.iloc[3:]
    measured = rest.groupby("slice")["seconds"].mean()
    found = work.posterior[names.SECONDS_PER_LABEL]
    low, high = (found.quantile(q, SAMPLE) for q in (0.005, 0.995))
    for name, seconds in measured.items():
        assert float(low.sel(slice=name)) < seconds < float(high.sel(slice=name))
    ratio = found.sel(slice="long") / found.sel(slice="short")
    assert float(ratio.mean()) == pytest.approx(2.0, abs=0.25)


def test_costs_take_what_is_estimated(work):
    given = work.quantities(pay_per_hour=18.0)
    costs = Costs(**given)
    short = costs.price_per_label["short"]
    seconds = work.posterior[names.SECONDS_PER_LABEL].sel(slice="short")
    assert short.low < float(seconds.mean()) * 18.0 / 3600 < short.high
    assert costs.labels_per_day.low < 60 < costs.labels_per_day.high  # 600 items in ten days
    assert costs.hours_per_label["long"].low > short.low / 18.0


def test_delivery_has_a_distribution(work):
    days = work.delivery_days(600)
    low, high = days.quantile([0.05, 0.95]).values
    assert low < 10 < high
    assert (work.delivery_days(0) == 0).all()
    further = work.delivery_days(2400)
    assert float(further.mean()) == pytest.approx(4 * float(days.mean()), rel=0.1)
    assert float(further.std() / further.mean()) < float(days.std() / days.mean())
    with pytest.raises(InputError, match="must be a whole number"):
        work.delivery_days(-1)


@pytest.fixture(scope="module")
def paced():
    """Throughput alone: ten days, three hundred items of one slice and two hundred of the other."""
    truth = testing.fake_annotation_truth(seed=5, slices=("long", "short"), annotators=4, classes=2)
    table = testing.fake_annotations(seed=5, truth=truth, items=300, votes=2)
    short = table.loc[table["slice"] == "short", "item"].unique()
    table = table[~table["item"].isin(short[100:200])]
    draws = xr.Dataset(coords={"chain": range(4), "draw": range(500)})
    found, scatter, of_slices, notes = throughput(table, draws, 1)
    seeded = SimpleNamespace(attempts=[{"random_seed": 1}])
    return table, Work(xr.Dataset(found), seeded, scatter, of_slices, tuple(notes))


def test_o13_labels_a_day_of_each_slice(paced):
    """The table's own counts by day, with their scatter; both slices are all that is delivered, draw by draw."""
    table, work = paced
    own = work.posterior[names.LABELS_PER_DAY_OF_SLICE]
    counted = table.drop_duplicates(["source", "item"]).groupby("slice")["units"].sum()
    assert counted.to_dict() == {"long": 300, "short": 200}
    for name, count in counted.items():
        assert float(own.sel(slice=name).mean()) == pytest.approx(count / 10, rel=0.02)
        scatter = count / 10 * work.slice_scatter[name]
        assert float(own.sel(slice=name).std()) == pytest.approx(scatter / np.sqrt(11), rel=0.1)  # Rubin (1981)
    np.testing.assert_allclose(own.sum("slice"), work.posterior[names.LABELS_PER_DAY])


def test_o13_delivery_of_each_slice(paced):
    """At its own pace: of the slice that brings 20 a day, 600 labels take 30 days; 300 of the other take 10."""
    _, work = paced
    days = work.delivery_days({"short": 600, "long": 300})
    mean = days.mean(SAMPLE)
    assert float(mean.sel(slice="long")) == pytest.approx(10, rel=0.1)
    assert float(mean.sel(slice="short")) == pytest.approx(30, rel=0.1)
    together = days.max("slice")  # all are there with the last
    assert together.dims == SAMPLE
    assert float(together.mean()) >= float(mean.max())
    assert float(work.delivery_days(500).mean()) == pytest.approx(10, rel=0.1)
    with pytest.raises(InputError, match="no times of slice 'shrt'; did you mean 'short'"):
        work.delivery_days({"shrt": 5})
    with pytest.raises(InputError, match=r"labels\.short.*whole number"):
        work.delivery_days({"short": 2.5})


def test_labels_an_annotator_day_are_those_of_the_table(paced):
    """Judgements by annotator and day of work, days without any left out."""
    table, work = paced
    by_day = table.groupby(["annotator", table["time"].dt.floor("D")])["units"].sum()
    found = work.posterior[names.LABELS_PER_ANNOTATOR_DAY]
    assert float(found.mean()) == pytest.approx(by_day.mean(), rel=0.02)
    assert float(found.std()) == pytest.approx(by_day.std(ddof=0) / np.sqrt(len(by_day) + 1), rel=0.1)


def test_work_by_job_counts_with_its_units():
    table = testing.fake_annotations(seed=5, items=20)
    jobs = table.head(2).assign(units=[10, 40], seconds=[120.0, 400.0], kind="work")
    observations, _ = count_times(pd.concat([table.iloc[2:], jobs], ignore_index=True))
    assert observations["units"].sum() == 50
    assert np.exp(observations["job_log"].values[observations["units"].values > 0]).max() == pytest.approx(12.0)


def test_without_times_there_is_nothing_to_estimate():
    table = testing.fake_annotations(seed=5, items=5)
    with pytest.raises(InputError, match="no judgement tells its seconds"):
        count_times(table.assign(seconds=np.nan))
