"""Simulated runs: nested, reproducible, counted right, and told apart by composition."""

import itertools
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelvalue import Protocol, names, read_runs, simulate_runs, write_runs
from labelvalue.observe.simulate import execution, strategies
from labelvalue.observe.simulate.execution import describe_learner
from labelvalue.observe.simulate.learners import seeded
from labelvalue.problems import InputError
from tests.observe.asked import simulated

CLOCK = [names.SECONDS, names.MEASURED_AT]


@pytest.fixture(scope="module")
def data(people):
    return people


def simulate(data, estimator=None, **options):
    x, y, slices = data
    options = {"random_state": 1, "progress": False, "sizes": [40, 80, 160], "replicates": 3} | options
    estimator = GaussianNB() if estimator is None else estimator
    return simulated(estimator, x, y, slices, **options)


@pytest.fixture(scope="module")
def runs(data):
    return simulate(data)


def test_shape_and_counts(runs, data):
    frame = runs.to_dataframe()
    assert len(frame) == 3 * 3 * 3
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert sorted(set(total)) == [40, 80, 160]
    assert (frame.groupby([names.REPLICATE, total])[names.LABELS].sum() == [40, 80, 160] * 3).all()
    assert (frame[names.ERRORS] <= frame[names.TRIALS]).all()
    slices = pd.Series(data[2]).value_counts()
    trials = frame.groupby(names.SLICE)[names.TRIALS].unique()
    assert {s: t.tolist() for s, t in trials.items()} == {s: [round(n / 4)] for s, n in slices.items()}
    assert frame.groupby(names.SLICE)[names.EVALUATION_SET].nunique().eq(1).all()
    assert frame[names.EVALUATION_SET].nunique() == 3
    assert (frame[names.SECONDS] > 0).all()
    assert frame[names.MEASURED_AT].notna().all()
    assert runs.attrs[names.SOURCE] == "simulate_runs"


def test_nested_inside_a_replicate(runs):
    labels = runs.to_dataframe().set_index([names.REPLICATE, names.SLICE])
    size = labels[names.LABELS] + labels[names.OTHER_LABELS]
    index = [names.REPLICATE, names.SLICE]
    table = labels.assign(size=size).pivot_table(index=index, columns="size", values=names.LABELS)
    assert (table.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_the_reader_takes_the_table_without_change(runs, tmp_path):
    again = read_runs(write_runs(runs, tmp_path / "runs.csv"))
    assert again.attrs[names.NOTES].splitlines() == []
    assert runs.drop_attrs().identical(again.drop_attrs())


def test_the_seed_says_everything(data, tmp_path):
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(5))
    first = simulate(data, estimator, n_jobs=1).drop_vars(CLOCK)
    again = simulate(data, estimator, n_jobs=2).drop_vars(CLOCK)
    one, two = (write_runs(r, tmp_path / f"{i}.csv").read_bytes() for i, r in enumerate([first, again]))
    assert one == two
    other = simulate(data, estimator, random_state=2).drop_vars(CLOCK)
    assert write_runs(other, tmp_path / "other.csv").read_bytes() != one


def test_global_random_state_is_left_alone(data):
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002 (that it is not touched is the point)
    simulate(data, RandomForestClassifier(2), replicates=1)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


def test_labels_and_other_labels_are_not_collinear(data):
    frame = simulate(data, replicates=5, sizes=[40, 80, 160, 320]).to_dataframe()
    for _, rows in frame.groupby(names.SLICE):
        shares = rows[names.LABELS] / (rows[names.LABELS] + rows[names.OTHER_LABELS])
        assert shares.std() / shares.mean() > 0.15
    even = simulate(data, replicates=5, sizes=[160, 320], jitter=0).to_dataframe()
    north = even[even[names.SLICE] == "north"]
    assert (north[names.LABELS] / (north[names.LABELS] + north[names.OTHER_LABELS])).std() < 0.05


def test_several_learners_share_training_sets(data):
    runs = simulate(data, {"nb": GaussianNB(), "lr": LogisticRegression()}, replicates=2).to_dataframe()
    keys = [names.SLICE, names.REPLICATE, names.LABELS, names.OTHER_LABELS]
    nb, lr = (runs[runs[names.LEARNER] == name].sort_values(keys) for name in ("nb", "lr"))
    assert (nb[keys].to_numpy() == lr[keys].to_numpy()).all()


def test_frames_columns_series_and_sparse(data, runs):
    x, y, slices = data
    frame = pd.DataFrame(x, columns=["a", "b", "c"], index=np.arange(900)[::-1])
    series = pd.Series(slices, dtype="category")
    options = {"sizes": [40, 80, 160], "replicates": 3, "random_state": 1, "progress": False}
    from_frame = simulated(GaussianNB(), frame, pd.Series(y), series, **options)
    assert from_frame.drop_vars(CLOCK).drop_attrs().identical(runs.drop_vars(CLOCK).drop_attrs())
    pipe = make_pipeline(Numeric(), GaussianNB())
    by_name = simulated(pipe, frame.assign(region=slices), y, "region", **options)
    other = [*CLOCK, names.PROTOCOL]  # which names the column
    assert by_name.drop_vars(other).drop_attrs().identical(runs.drop_vars(other).drop_attrs())
    sparse = simulated(LogisticRegression(), csr_array(x), y, slices, **options)
    assert sparse.sizes["run"] == 27


class Numeric(BaseEstimator):
    """Keeps the numeric columns."""

    def fit(self, x, y=None):
        self.fitted_ = True
        return self

    def transform(self, x):
        return x.select_dtypes("number").to_numpy()


def test_evaluation_rows_may_be_given(data):
    rows = np.arange(0, 900, 3)
    mask = np.zeros(900, dtype=bool)
    mask[rows] = True
    one, two = (simulate(data, evaluation=e, replicates=1).drop_vars(CLOCK) for e in (rows, mask))
    assert one.identical(two.assign_attrs(one.attrs))
    assert one[names.TRIALS].values.sum() == 3 * 300


def test_default_sizes_are_log_spaced(data):
    runs = simulate(data, sizes=None, replicates=1).to_dataframe()
    sizes = np.unique(runs[names.LABELS] + runs[names.OTHER_LABELS])
    assert len(sizes) >= 7
    assert sizes[-1] == 900 - sum(runs.groupby(names.SLICE)[names.TRIALS].first())
    assert np.ptp(np.diff(np.log(sizes))) < 0.05


def test_regressors_give_mean_absolute_errors(data):
    x, _, slices = data
    y = x[:, 0] + np.random.default_rng(0).normal(size=900)
    options = {"sizes": [20, 400], "replicates": 1, "random_state": 1, "progress": False}
    runs = simulated(LinearRegression(), x, y, slices, **options)
    assert runs.attrs[names.METRIC] == "mae"
    assert np.allclose(runs.error, np.sqrt(2 / np.pi), atol=0.35)
    assert ((runs.error_stderr > 0.02) & (runs.error_stderr < 0.25)).all()


def test_regressors_without_noise_are_skipped():
    x, y = np.zeros((40, 1)), np.zeros(40)
    with pytest.raises(InputError, match="no slice shows the metric with its noise"):
        simulated(LinearRegression(), x, y, ["a"] * 40, sizes=[5], replicates=1, progress=False)


def test_a_training_set_of_one_class_is_skipped_and_counted(data):
    x, _, slices = data
    rare = np.where(x[:, 0] > 1.5, 1, 0)
    runs = simulated(
        LogisticRegression(), x, rare, slices, sizes=[5, 300], replicates=4, random_state=1, progress=False
    )
    (note,) = [n for n in runs.attrs[names.NOTES].splitlines() if "skipped" in n]
    count, rest = note.split(" ", 1)
    assert rest == "trainings skipped: only one class among the labels"
    assert runs.sizes["run"] == 3 * (8 - int(count))
    with pytest.raises(InputError, match="no training could be done"):
        simulate((x, np.zeros(900), slices))


def test_without_a_seed_the_seed_is_noted(data):
    notes = simulate(data, random_state=None, replicates=1).attrs[names.NOTES].splitlines()
    seed = int(notes[0].split("random_state ")[1].split(",")[0])
    one, two = (simulate(data, random_state=seed, replicates=1).drop_vars(CLOCK) for _ in range(2))
    assert one.drop_attrs().identical(two.drop_attrs())


def test_every_random_state_is_seeded_and_the_original_left_alone():
    pipe = make_pipeline(StandardScaler(), RandomForestClassifier(2))
    assert seeded(pipe, 7).get_params()["randomforestclassifier__random_state"] == 7
    assert pipe.get_params()["randomforestclassifier__random_state"] is None


class Plain:
    """A learner of no library: it fits in place, returns nothing, and has no parameters to be asked for."""

    def __init__(self, scale, random_state=None):
        self.scale, self.random_state = scale, random_state

    def fit(self, x, y):
        self.seed, self.inner = self.random_state, GaussianNB().fit(x * self.scale, y)

    def predict(self, x):
        return self.inner.predict(x * self.scale)


def test_a_plain_class_with_fit_and_predict_is_a_learner_copied_and_seeded(data):
    plain = Plain(2.0)
    one, same = (simulate(data, learner, random_state=3).drop_vars(CLOCK) for learner in (plain, GaussianNB()))
    np.testing.assert_array_equal(one[names.ERRORS], same[names.ERRORS])
    assert not hasattr(plain, "inner")
    assert seeded(plain, 7).random_state == 7
    assert describe_learner(Plain(2.0)) != describe_learner(Plain(3.0))


class Failing(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        raise ValueError("out of luck")

    def predict(self, x):
        return x


def test_a_failing_training_is_named(data):
    with pytest.raises(RuntimeError, match=r"learner 'default', replicate 0, 40 labels\): out of luck"):
        simulate(data, Failing())


# --- what was asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"sizes": [10.5]}, r"'sizes\[0\]', value 10.5: must be a whole number"),
        ({"replicates": 2.5}, "'replicates', value 2.5: must be a whole number"),
        ({"random_state": "1"}, "'random_state', value '1': must be a whole number"),
        ({"test_size": "a"}, "'test_size', value 'a': expected a number"),
        ({"jitter": True}, "'jitter', value True: expected a number"),
        ({"sizes": [1, 5000]}, "not between 2 and the .*\n.*not between 2 and"),
        ({"sizes": []}, "names none"),
        ({"replicates": 0}, "replicates"),
        ({"test_size": 1.5, "jitter": -1}, "(?s)test_size.*jitter"),
        ({"n_jobs": 0, "minutes": -1}, "(?s)n_jobs.*minutes"),
        ({"n_jobs": None, "progress": "no"}, "(?s)n_jobs.*progress"),
        ({"random_state": -1}, "random_state"),
        ({"evaluation": [0, 900]}, "outside 0 … 899"),
        ({"evaluation": [0]}, "no rows to evaluate on"),
        ({"evaluation": range(900)}, "no rows left to train on"),
        ({"estimator": {}}, "no estimator given"),
        ({"estimator": {"a": GaussianNB(), "b": LinearRegression()}}, "no common unit"),
    ],
)
def test_settings_that_cannot_be(options, pattern, data):
    options = dict(options)
    x, y, slices = data
    estimator = options.pop("estimator", GaussianNB())
    with pytest.raises(InputError, match=pattern):
        simulated(estimator, x, y, slices, **{"progress": False, **options})


@pytest.mark.parametrize("options", [{"evaluation": ["a"]}, {"estimator": 3}, {"estimator": GaussianNB}])
def test_settings_of_the_wrong_type(options, data):
    options = dict(options)
    x, y, slices = data
    estimator = options.pop("estimator", GaussianNB())
    with pytest.raises(TypeError):
        simulated(estimator, x, y, slices, progress=False, **options)


def test_protocol_and_execution_are_objects(data):
    with pytest.raises(TypeError, match="execution must be an Execution, not dict"):
        simulate_runs(GaussianNB(), *data, execution={"n_jobs": 2})
    with pytest.raises(TypeError, match="protocol must be a Protocol, not dict"):
        simulate_runs(GaussianNB(), *data, protocol={"sizes": [40]})
    with pytest.raises(InputError, match="'generator', value 3: neither a name nor a function"):
        Protocol(generator=3)
    with pytest.raises(InputError, match="'diversity', value 1"):
        Protocol(diversity=1)


def test_data_that_cannot_be(data):
    x, y, slices = data
    with pytest.raises(InputError, match="lengths differ: X has 900, y has 899, slices has 900"):
        simulated(GaussianNB(), x, y[1:], slices, progress=False)
    with pytest.raises(InputError, match=r"unknown slice column 'regoin'; did you mean 'region'\?"):
        simulated(GaussianNB(), pd.DataFrame(x).assign(region=slices), y, "regoin", progress=False)
    gaps = pd.Series(slices, dtype=object).where(np.arange(900) > 1)
    holes = pd.Series(y, dtype=object).where(np.arange(900) != 7)
    with pytest.raises(InputError, match=r"(?s)row 0.*slice is empty.*row 1.*row 7, column 'y': 1 missing"):
        simulated(GaussianNB(), x, holes, gaps, progress=False)
    with pytest.raises(InputError, match="differ only in"):
        simulated(GaussianNB(), x, y, np.where(slices == "west", "North", slices), progress=False)


# --- progress --------------------------------------------------------------------------------------


def test_progress_is_plain_lines_where_there_is_no_terminal(data, capsys):
    simulate(data, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("training: 9 of 9, ")


def test_progress_is_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with execution.Tracker(2, 30.0, "training", show=True) as tracker:
        tracker.advance(10.0)
        assert tracker.left().endswith("left")
        tracker.advance(20.0)
    assert "training" in capsys.readouterr().err


IN_A_CELL = """
import time
from labelvalue.observe.simulate.execution import Tracker
with Tracker(8, 8.0, "adapting", show=True) as tracker:
    tracker.advance(2.0, pieces=2)
    tracker.advance(6.0, pieces=6, what="sampling <b>")
"""


def test_progress_is_one_bar_in_a_notebook(capsys):
    """In a kernel of its own: one output, redrawn to what is done last."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(IN_A_CELL)])
    NotebookClient(notebook, timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    shown = output["data"]["text/html"]
    assert 'value="8" max="8"' in shown
    assert "8 of 8" in shown
    assert "sampling &lt;b&gt;" in shown


def test_the_time_left_goes_with_the_labels_left(monkeypatch, capsys):
    clock = itertools.chain([0.0], itertools.repeat(10.0))
    monkeypatch.setattr(execution.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(execution, "EVERY", 0.0)
    with execution.Tracker(2, 400.0, "training", show=True) as tracker:
        tracker.advance(100.0)  # a quarter of the work in 10 s
    assert capsys.readouterr().err == "training: 1 of 2, 10 s, about 30 s left\n"
    assert [execution.as_text(s) for s in (40, 720, 12_600)] == ["40 s", "12 min", "3.5 h"]


def test_more_to_do_than_was_known_is_added(capsys, monkeypatch):
    monkeypatch.setattr(execution, "EVERY", 0.0)
    with execution.Tracker(4, 4.0, "draws", show=True) as tracker:
        tracker.advance(4.0, pieces=4)
        assert tracker.left() == ""
        tracker.grow(4.0, pieces=4)
        assert tracker.left()
        tracker.advance(9.0, pieces=9)  # never more than all
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["draws: 4 of 4", "draws: 8 of 8"]


def test_progress_can_be_silent(capsys):
    with execution.Tracker(1, 1.0, "training", show=False) as tracker:
        tracker.advance(1.0)
    assert capsys.readouterr().err == ""


class Impatient(ClassifierMixin, BaseEstimator):
    """A classifier whose user presses Ctrl-C during training ``number``."""

    fitted = 0
    number = 4

    def fit(self, x, y):
        Impatient.fitted += 1
        if Impatient.fitted == Impatient.number:
            raise KeyboardInterrupt
        self.answer_ = y[0]
        return self

    def predict(self, x):
        return np.full(len(x), self.answer_)


def test_an_interrupt_keeps_what_is_done(data, monkeypatch):
    monkeypatch.setattr(Impatient, "fitted", 0)
    runs = simulate(data, Impatient())
    assert runs.sizes["run"] == 3 * 3
    assert "interrupted after 3 of 9 trainings" in runs.attrs[names.NOTES].splitlines()
    monkeypatch.setattr(Impatient, "fitted", 3)
    with pytest.raises(KeyboardInterrupt):
        simulate(data, Impatient())


# --- metrics, functions, folds, bootstrap ---------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "f1", "auc", "precision", "recall", "log_loss", "brier", "ece"])
def test_metrics_of_the_catalogue(metric, data):
    runs = simulate(data, metric=metric, positive="yes" if metric == "f1" else None)
    assert runs.attrs[names.METRIC] == metric
    assert runs.sizes["run"] == 27
    frame = runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert frame[names.ERROR][total == 160].mean() < frame[names.ERROR][total == 40].mean()


def test_accuracy_and_error_rate_are_the_same_counts(data, runs):
    accuracy = simulate(data, metric="accuracy")
    assert accuracy[names.ERRORS].equals(runs[names.ERRORS])
    assert accuracy[names.ERROR].equals(runs[names.ERROR])


def test_a_function_is_a_learner_like_its_estimator(data, runs):
    def plain(x, y, seed):
        return GaussianNB().fit(x, y)

    def bare(x, y, seed):
        return GaussianNB().fit(x, y).predict

    both = simulate(data, {"plain": plain, "bare": bare})
    for name in ("plain", "bare"):
        one = both.isel(run=both[names.LEARNER].values == name)
        assert one[names.ERRORS].values.tolist() == runs[names.ERRORS].values.tolist()


def test_probabilities_are_asked_for_before_anything_is_trained(data):
    with pytest.raises(InputError, match="'default' give no probabilities"):
        simulate(data, Failing(), metric="auc")


def test_functions_are_given_their_seed(data):
    seeds = []

    def note(x, y, seed):
        seeds.append(seed)
        return GaussianNB().fit(x, y)

    simulate(data, note)
    assert len(set(seeds)) == 9


def test_folds_have_evaluation_sets_of_their_own(data):
    runs = simulate(data, resampling="folds", replicates=4, sizes=[100, 600]).to_dataframe()
    assert runs.groupby([names.SLICE, names.REPLICATE])[names.EVALUATION_SET].nunique().eq(1).all()
    assert (runs.groupby(names.SLICE)[names.EVALUATION_SET].nunique() == 4).all()
    trials = runs.drop_duplicates(names.EVALUATION_SET).groupby(names.SLICE)[names.TRIALS].sum()
    assert trials.to_dict() == pd.Series(data[2]).value_counts().to_dict()


def test_no_row_is_trained_on_and_evaluated_on(data):
    splits = strategies.split_by_folds(data[2], np.ones(900, dtype=bool), 3, 1)
    for split in splits:
        held = np.concatenate(list(split.evaluation.values()))
        assert sorted([*held, *split.pool]) == list(range(900))


def test_bootstrap_draws_repeat_rows():
    slices = np.array(["a", "b"] * 500)
    order = strategies.nested_order(slices, [100, 1000], 0.0, np.random.default_rng(0), again=True)
    assert order.size == 1000
    assert np.unique(order).size == pytest.approx(1000 * (1 - np.exp(-1)), rel=0.05)


def test_bootstrap_replicates_share_the_evaluation_set(data):
    runs = simulate(data, resampling="bootstrap").to_dataframe()
    assert len(runs) == 27
    assert runs[names.EVALUATION_SET].nunique() == 3
    assert runs.groupby(names.SLICE)[names.LABELS].nunique().gt(3).all()


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"metric": "f11"}, "'metric', value 'f11': unknown metric; did you mean 'f1'"),
        ({"metric": "mae"}, "classifiers do not give it"),
        ({"resampling": "fold"}, "did you mean 'folds'"),
        ({"resampling": "folds", "replicates": 1}, "must be ≥ 2"),
        ({"resampling": "folds", "evaluation": [1]}, "folds make their own"),
        ({"metric": "f1", "positive": "yess"}, "did you mean 'yes'"),
        ({"resampling": "folds", "replicates": 300}, "value 'west': no rows to evaluate on"),
    ],
)
def test_metrics_and_resampling_that_cannot_be(options, pattern, data):
    with pytest.raises(InputError, match=pattern):
        simulate(data, **options)
