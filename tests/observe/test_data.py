"""The data that ships: what it promises, and that the runs are what the product computes."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import names, read_runs, write_runs
from labelvalue.observe.simulate.protocol import parse_protocol

DATA = Path(__file__).resolve().parents[2] / "data"


def load(name):
    """A script of the data folder as a module."""
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def adult_runs():
    return read_runs(DATA / "adult_runs.csv")


def test_adult_is_whole():
    adult = pd.read_parquet(DATA / "adult.parquet")
    assert adult.shape == (48_842, 16)
    assert {"occupation", "education", "race", "sex", "native_country", "income"} <= set(adult)


def test_runs_read_without_a_note_and_have_the_promised_shape(adult_runs):
    frame = adult_runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert adult_runs.attrs[names.NOTES].splitlines() == []
    assert frame[names.SLICE].nunique() >= 6
    assert total.nunique() >= 7
    assert 100 <= total.min() <= 150
    assert total.max() == 16_000
    assert frame[names.REPLICATE].nunique() >= 5
    assert (frame[names.TRIALS] >= 500).all()


def test_runs_show_learning_and_are_not_collinear(adult_runs):
    frame = adult_runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    curves = frame.pivot_table(index=names.SLICE, columns=total, values=names.ERROR)
    assert (curves[16_000] < 0.8 * curves[125]).all()
    for _, rows in frame.groupby(names.SLICE):
        logs = np.log1p(rows[[names.LABELS, names.OTHER_LABELS]])
        assert logs.corr().iloc[0, 1] < 0.99


def test_the_first_sizes_computed_anew_are_the_shipped_rows(adult_runs):
    script = load("make_adult_runs")
    again = script.make(sizes=script.SIZES[:2], replicates=1)
    shipped = adult_runs.isel(run=(adult_runs[names.REPLICATE] == 0).values)
    total = shipped[names.LABELS] + shipped[names.OTHER_LABELS]
    shipped = shipped.isel(run=(total <= script.SIZES[1]).values)
    for name in set(again) - {names.ERRORS, names.ERROR}:
        assert again[name].equals(shipped[name]), name
    # The same machine gives the same counts; another processor may round a split the other way.
    assert abs(again[names.ERROR] - shipped[names.ERROR]).max() < 0.02


def test_written_as_the_product_writes(adult_runs, tmp_path):
    path = write_runs(adult_runs, tmp_path / "runs.csv")
    assert path.read_bytes() == (DATA / "adult_runs.csv").read_bytes()


def test_nothing_that_ships_names_a_machine():
    for path in (DATA / "README.md", *DATA.glob("*.py")):
        text = path.read_text()
        assert "/work" not in text
        assert "../shared" not in text


# --- runs that compare ----------------------------------------------------------------------------

COMPARISONS = {
    "adult": (8, {"boosting", "logistic"}, {"holdout", "missing 0.2", "noise 0.5"}),
    "mnist": (10, {"forest", "logistic"}, {"holdout", "noise 1"}),
    "flights": (8, {"boosting", "logistic"}, {"holdout", "time day 0.2"}),
}


@pytest.fixture(scope="module", params=COMPARISONS)
def comparison(request):
    return request.param, read_runs(DATA / f"{request.param}_comparisons.parquet")


def test_comparisons_have_everything_that_is_compared(comparison):
    name, runs = comparison
    slices, learners, suites = COMPARISONS[name]
    frame = runs.to_dataframe()
    assert runs.attrs[names.NOTES].splitlines() == []
    assert parse_protocol(runs.attrs[names.PROTOCOL]).replicates == 4
    assert frame[names.SLICE].nunique() == slices
    assert set(frame[names.LEARNER]) == learners
    assert set(frame[names.SUITE]) == suites
    assert set(frame[names.STRATEGY]) == {"random", "uncertainty"}
    assert set(frame[names.LABEL_NOISE].round(2)) == {0.0, 0.1}
    assert frame[names.REPLICATE].nunique() == 4
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert total.nunique() == 6
    assert frame[names.DIVERSITY].notna().mean() > 0.98


def test_choosing_helps_and_wrong_labels_cost_on_every_data_set(comparison):
    """By the plain means of what was measured, without any model."""
    name, runs = comparison
    frame = runs.to_dataframe()
    frame = frame[frame[names.SUITE] == "holdout"]
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    middle = frame[total == sorted(total.unique())[3]]
    clean = middle[middle[names.LABEL_NOISE] == 0]
    for learner in COMPARISONS[name][1]:
        mine = clean[clean[names.LEARNER] == learner].groupby(names.STRATEGY)[names.ERROR].mean()
        assert mine["uncertainty"] < mine["random"]
        noisy = middle[(middle[names.LABEL_NOISE] > 0) & (middle[names.LEARNER] == learner)]
        assert noisy.groupby(names.STRATEGY)[names.ERROR].mean()["random"] > mine["random"]


def test_comparisons_are_small_and_made_by_the_script():
    sizes = [(DATA / f"{name}_comparisons.parquet").stat().st_size for name in COMPARISONS]
    assert sum(sizes) < 300_000
    script = load("make_comparisons")
    assert set(script.DATA) == set(COMPARISONS)
    text = (DATA / "README.md").read_text()
    for name in COMPARISONS:
        assert f"`{name}_comparisons.parquet`" in text
        assert f"python data/make_comparisons.py {name}" in text


def test_a_part_computed_anew_is_the_shipped_part():
    """The smallest sizes of Adult under one learner, clean: what needs no package beside the product."""
    script = load("make_comparisons")
    settings = script.adult()
    learner = {"logistic": settings["estimator"]["logistic"]}
    changes = {"estimator": learner, "sizes": settings["sizes"][:2], "replicates": 1, "strategies": ("random",)}
    clean = {"protocol": lv.Protocol(test_size=0.3, label_noise=(0.0,)), "execution": lv.Execution(progress=False)}
    again = script.make("adult", changes | clean)
    shipped = read_runs(DATA / "adult_comparisons.parquet").to_dataframe()
    mine = shipped[(shipped[names.LEARNER] == "logistic") & (shipped[names.STRATEGY] == "random")]
    mine = mine[(mine[names.REPLICATE] == 0) & (mine[names.LABEL_NOISE] == 0)]
    mine = mine[mine[names.LABELS] + mine[names.OTHER_LABELS] <= 500]
    keys = [names.SLICE, names.SUITE, names.LABELS, names.OTHER_LABELS]
    one, two = (t.set_index(keys).sort_index() for t in (again.to_dataframe(), mine))
    assert one.index.equals(two.index)
    holdout = [name == "holdout" for name in one.index.get_level_values(names.SUITE)]
    assert (one[names.EVALUATION_SET] == two[names.EVALUATION_SET])[holdout].all()
    assert abs(one[names.ERROR] - two[names.ERROR]).max() < 0.05
    assert abs(one[names.ERROR] - two[names.ERROR]).mean() < 0.005
