"""What observing promises (O1 to O16), each once from end to end."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

import labelvalue as lv
from labelvalue import names, read_protocol, read_runs, write_runs
from labelvalue.cli import main
from labelvalue.diagnostics import what_is_missing
from labelvalue.label_quality import read_annotations
from labelvalue.observe.simulate.protocol import beside
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError
from labelvalue.suites import ClassMix, DomainSplit, FeatureNoise, MissingValues, TimeSplit, WrongEvaluation
from labelvalue.testing import fake_annotation_truth, fake_annotations
from tests.observe.asked import simulated
from tests.observe.test_annotations import ARGILLA_FLAT

CLOCK = [names.SECONDS, names.MEASURED_AT]


def frame_of(runs) -> pd.DataFrame:
    frame = runs.to_dataframe()
    return frame.assign(total=frame[names.LABELS] + frame[names.OTHER_LABELS])


def test_o1_a_baseline_and_log_spaced_counts_in_a_table_that_is_read_without_change(people, tmp_path):
    runs = simulated(GaussianNB(), *people, random_state=1, progress=False)
    frame = frame_of(runs)
    sizes = np.sort(frame["total"].unique())
    assert len(sizes) >= 5
    assert np.ptp(np.diff(np.log(sizes))) < 0.05
    assert (frame.groupby("total")[names.REPLICATE].nunique() == frame[names.REPLICATE].nunique()).all()
    held = frame[frame["total"] == sizes[-1]].groupby(names.REPLICATE)[names.TRIALS].sum()
    assert sizes[-1] == len(people[1]) - held.max()  # the baseline: all labels that are not evaluated on
    again = read_runs(write_runs(runs, tmp_path / "runs.csv"))
    assert again.drop_attrs().identical(runs.drop_attrs())
    assert json.loads(again.attrs[names.NOTES]) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_o2_the_same_seed_gives_the_same_table_byte_for_byte(suffix, simulate, tmp_path):
    options = {"strategies": ("random", "uncertainty"), "label_noise": (0.0, 0.2), "suites": (FeatureNoise(0.5),)}
    tables = [simulate(**options).drop_vars(CLOCK) for _ in range(2)]
    one, two = (write_runs(t, tmp_path / f"{i}.{suffix}").read_bytes() for i, t in enumerate(tables))
    assert one == two
    labels = frame_of(tables[0])
    keys = [names.STRATEGY, names.LABEL_NOISE, names.REPLICATE, names.SUITE, names.SLICE]
    for _, rows in labels.groupby(keys):
        assert (rows.sort_values("total")[names.LABELS].diff().dropna() >= 0).all()  # nested


def test_o3_own_and_other_labels_can_be_told_apart(simulate):
    frame = frame_of(simulate(replicates=6, sizes=[40, 80, 160, 320]))
    for _, rows in frame.groupby(names.SLICE):
        logs = np.log1p(rows[[names.LABELS, names.OTHER_LABELS]].to_numpy())
        design = np.column_stack([np.ones(len(logs)), (logs - logs.mean(0)) / logs.std(0)])
        assert np.linalg.cond(design) < 20
    trainings = frame.groupby(["total", names.REPLICATE])[names.SLICE].nunique()
    assert (trainings == 3).all()  # one training set serves all slices


def test_o4_synthetic_examples_are_told_apart_and_never_counted(simulate):
    frame = frame_of(simulate(synthetic=(0.0, 1.0), generator="smote"))
    made = frame[names.SYNTHETIC_LABELS] + frame[names.OTHER_SYNTHETIC_LABELS]
    assert set(frame["total"]) == {40, 80, 160}
    assert set(made - frame["total"]) <= {-40, -80, -160, 0}
    own = frame[made > 0]
    assert (own[names.SYNTHETIC_LABELS] == own[names.LABELS]).all()


@pytest.mark.parametrize("strategy", ["uncertainty", "margin", "entropy", "diversity", "committee"])
def test_o5_labels_are_chosen_by_strategies_that_share_a_table_with_random(strategy, simulate):
    frame = frame_of(simulate(strategies=("random", strategy), sizes=[40, 80], replicates=1))
    assert set(frame[names.STRATEGY]) == {"random", strategy}
    rows = frame[frame["total"] == 80].set_index([names.STRATEGY, names.SLICE])
    assert (rows.loc["random", names.EVALUATION_SET] == rows.loc[strategy, names.EVALUATION_SET]).all()
    assert frame[names.DIVERSITY].notna().all()


def test_o6_folds_and_bootstrap_draws_are_replicates(simulate):
    folds = frame_of(simulate(resampling="folds", replicates=3))
    assert folds.groupby([names.SLICE, names.REPLICATE])[names.EVALUATION_SET].nunique().eq(1).all()
    assert folds.groupby(names.SLICE)[names.EVALUATION_SET].nunique().eq(3).all()
    draws = frame_of(simulate(resampling="bootstrap", replicates=3))
    assert draws.groupby(names.SLICE)[names.EVALUATION_SET].nunique().eq(1).all()
    assert draws[names.REPLICATE].nunique() == 3


@pytest.mark.parametrize("metric", ["accuracy", "error_rate", "f1", "auc", "precision", "recall", "log_loss"])
def test_o7_the_metric_is_the_users_choice_and_becomes_an_error(metric, simulate):
    runs = simulate(metric=metric, sizes=[40, 160])
    frame = frame_of(runs)
    assert runs.attrs[names.METRIC] == metric
    assert frame[names.ERROR].between(0, 1 if metric != "log_loss" else 5).all()
    assert frame[names.ERROR].mean() < 0.5  # lower is better, whichever way the metric goes
    if names.VALUE in frame:
        better = 1.0 - frame[names.VALUE] if CATALOGUE[metric].direction == "higher" else frame[names.VALUE]
        np.testing.assert_allclose(frame[names.ERROR], better)
    else:
        np.testing.assert_allclose(frame[names.ERROR], frame[names.ERRORS] / frame[names.TRIALS])


def test_o7_regression_and_metrics_of_ones_own():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 2))
    y = x[:, 0] + rng.normal(size=300)
    from sklearn.linear_model import Ridge

    for metric in ("mae", "rmse"):
        runs = simulated(
            Ridge(), x, y, ["a"] * 300, metric=metric, sizes=[20, 200], replicates=2, random_state=1, progress=False
        )
        assert CATALOGUE[metric].direction == "lower"
        assert float(runs["error"].min()) > 0.5
    table = pd.DataFrame({"slice": ["a"], "labels": [10], "value": [12.0], "stderr": [1.0]})
    money = read_runs(table, metric="euros lost", direction="lower", bounds=(0.0, np.inf))
    assert float(money["error"][0]) == 12.0
    with pytest.raises(InputError, match="outside"):
        read_runs(table.assign(value=-1.0), metric="euros lost", direction="lower", bounds=(0.0, np.inf))


@pytest.mark.parametrize("metric", ["brier", "ece", "log_loss"])
def test_o8_calibration_is_a_target_slice_by_slice(metric, simulate):
    runs = simulate(metric=metric, sizes=[40, 160])
    frame = frame_of(runs)
    assert CATALOGUE[metric].lower == 0.0
    assert frame.groupby(names.SLICE)[names.ERROR].count().eq(4).all()
    assert (frame[names.STDERR] > 0).all()


def test_o9_every_suite_is_of_the_same_trained_models(people, simulate):
    x, y, slices = people
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    meta = pd.DataFrame({"day": np.arange(900) % 30, "site": np.where(np.arange(900) % 9, "here", "there")})
    suites = (
        TimeSplit("day", 0.2), DomainSplit("site", ("there",)), FeatureNoise(0.5), MissingValues(0.2),
        WrongEvaluation(0.1), ClassMix({"yes": 0.2, "no": 0.8}),
    )  # fmt: skip
    from sklearn.impute import SimpleImputer

    learner = make_pipeline(SimpleImputer(), GaussianNB())
    runs = simulate(learner, data=(frame, y, slices), suites=suites, metadata=meta, sizes=[40, 160], replicates=1)
    frame = frame_of(runs)
    assert set(frame[names.SUITE]) == {"holdout", *(suite.name for suite in suites)}
    assert frame.groupby(["total", names.SUITE])[names.SECONDS].first().groupby("total").nunique().eq(1).all()
    ids = frame.groupby([names.SUITE, names.SLICE])[names.EVALUATION_SET].nunique()
    assert ids.eq(1).all()


def test_o10_a_stated_share_of_wrong_labels_is_injected_and_recorded(simulate):
    frame = frame_of(simulate(label_noise=(0.0, 0.1, 0.3), sizes=[40, 160]))
    assert set(frame[names.LABEL_NOISE]) == {0.0, 0.1, 0.3}
    late = frame[frame["total"] == 160].groupby(names.LABEL_NOISE)[names.ERROR].mean()
    assert late[0.3] > late[0.0]


def test_o11_a_class_may_be_a_slice_and_mixes_are_part_of_the_run(people, simulate):
    x, y, _ = people
    by_class = frame_of(simulate(data=(x, y, y), sizes=[40, 160]))
    assert set(by_class[names.SLICE]) == {"yes", "no"}
    rare, even, most = (ClassMix({"yes": share, "no": 1 - share}) for share in (0.2, 0.5, 0.9))
    mixed = frame_of(simulate(data=(x, y, y), sizes=[40, 160], strategies=("random", rare, even, most)))
    assert set(mixed[names.STRATEGY]) == {"random", rare.name, even.name, most.name}
    late = mixed[mixed["total"] == 160]
    labels = late.pivot_table(names.LABELS, names.STRATEGY, names.SLICE)
    assert labels.loc[rare.name].to_dict() == {"no": 128, "yes": 32}
    assert labels.loc[even.name].to_dict() == {"no": 80, "yes": 80}
    assert labels.loc[most.name].to_dict() == {"no": 16, "yes": 144}
    error = late.pivot_table(names.ERROR, names.STRATEGY, names.SLICE)[
        "yes"
    ]  # the more of a class, the fewer of it are missed
    assert error[rare.name] > error[even.name] > error[most.name]


def test_o12_learners_feature_sets_and_calibration_steps_are_paired(simulate):
    learners = {
        "plain": LogisticRegression(),
        "two features": make_pipeline(SelectKBest(k=2), LogisticRegression()),
        "calibrated": CalibratedClassifierCV(GaussianNB(), cv=2),
    }
    frame = frame_of(simulate(learners, sizes=[80, 160]))
    keys = [names.SLICE, names.REPLICATE, names.LABELS, names.OTHER_LABELS, names.EVALUATION_SET]
    tables = [frame[frame[names.LEARNER] == name][keys].sort_values(keys).to_numpy() for name in learners]
    assert all((table == tables[0]).all() for table in tables)


def test_o13_an_export_becomes_posteriors_of_seconds_labels_a_day_and_noise(tmp_path):
    """From Label Studio's JSON, through the command line, to what a case takes; the truth is that of the campaign."""
    truth = fake_annotation_truth(seed=5, slices=("de", "fr"), annotators=4, classes=2)
    campaign = fake_annotations(seed=5, truth=truth, items=80, votes=3)
    export, out = tmp_path / "export.json", tmp_path / "annotations.parquet"
    export.write_text(json.dumps(as_label_studio(campaign)))
    assert main(["import", "label-studio", str(export), "--slice", "data.country", "--out", str(out)]) == 0
    table = lv.label_quality.load_annotations(out)
    assert len(table) == len(campaign)
    quick = {"draws": 200, "tune": 200, "chains": 2, "random_seed": 1, "progress": False}
    noise, work = lv.label_quality.estimate_label_noise(table, **quick), lv.label_quality.estimate_work(table, **quick)
    right = campaign[names.ITEM].map(campaign.attrs[names.TRUTH])
    by_slice = campaign.assign(wrong=campaign[names.LABEL] != right).groupby(names.SLICE)
    for found, measured in (
        (noise.label_noise, by_slice["wrong"].mean()),
        (work.posterior[names.SECONDS_PER_LABEL], by_slice[names.SECONDS].mean()),
    ):
        low, high = (found.quantile(q, ("chain", "draw")).to_series() for q in (0.005, 0.995))
        assert ((low < measured) & (measured < high)).all()
        assert (high - low < 1.5 * measured).all()  # an interval that says something
    days = campaign[names.TIME].dt.date.nunique()
    low, high = work.posterior[names.LABELS_PER_DAY].quantile([0.005, 0.995]).values
    assert low < campaign[names.ITEM].nunique() / days < high
    costs = lv.Costs(**work.quantities(pay_per_hour=18.0))
    assert (
        costs.price_per_label["fr"].low < by_slice[names.SECONDS].mean()["fr"] / 200 < costs.price_per_label["fr"].high
    )


def as_label_studio(table: pd.DataFrame) -> list[dict]:
    """A campaign as Label Studio exports it: a task an item, with an annotation a judgement."""
    return [
        {
            "id": number,
            "project": 7,
            "data": {"text": item, "country": rows[names.SLICE].iloc[0]},
            "annotations": [
                {
                    "id": row.source_id,
                    "completed_by": row.annotator,
                    "was_cancelled": False,
                    "ground_truth": False,
                    "lead_time": row.seconds,
                    "updated_at": row.time.isoformat(),
                    "result": [{"type": "choices", "from_name": "topic", "value": {"choices": [row.label]}}],
                }
                for row in rows.itertuples()
            ],
        }
        for number, (item, rows) in enumerate(table.groupby(names.ITEM))
    ]


def test_o14_what_is_absent_is_listed_with_the_answer_it_would_give(simulate, tmp_path):
    lacking = dict(what_is_missing(simulate()).to_numpy())
    assert set(lacking) >= {names.STRATEGY, names.LABEL_NOISE, names.SUITE, names.LEARNER, names.BATCH}
    assert names.OTHER_LABELS not in lacking
    assert "random" in lacking[names.STRATEGY]
    export = tmp_path / "records.json"
    export.write_text(ARGILLA_FLAT)
    untold = dict(what_is_missing(read_annotations(export, "argilla", slice="country")).to_numpy())
    assert list(untold) == [names.SECONDS, names.TIME, names.REFERENCE]
    assert "costs" in untold[names.SECONDS]


def test_o16_protocols_are_written_hashed_and_not_pooled_silently(simulate, tmp_path):
    one, two = simulate(replicates=1), simulate(replicates=1, random_state=2)
    written = read_protocol(beside(write_runs(one, tmp_path / "runs.csv")))
    assert (written.replicates, written.random_state, written.sizes) == (1, 1, (40, 80, 160))
    assert read_runs(tmp_path / "runs.csv").attrs[names.PROTOCOL] == written.to_toml() == one.attrs[names.PROTOCOL]
    ids = {str(runs[names.PROTOCOL].values[0]) for runs in (one, two)}
    assert len(ids) == 2
    assert written.id in ids
    table = pd.concat([runs.to_dataframe() for runs in (one, two)]).drop(columns=[names.ERROR, names.ERROR_STDERR])
    mixed = read_runs(table)
    assert any("2 protocols are mixed" in note for note in json.loads(mixed.attrs[names.NOTES]))
    loss = simulate(replicates=1, metric="log_loss").to_dataframe()
    auc = simulate(replicates=1, metric="auc").to_dataframe()
    with pytest.raises(InputError, match="protocols measure different things"):
        read_runs(pd.concat([loss, auc]).drop(columns=[names.ERROR, names.ERROR_STDERR]))
