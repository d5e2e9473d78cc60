"""Exports, what they lack, and protocols (O13, O14, O16), from end to end."""

import json

import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import names, read_protocol, read_runs, write_runs
from labelvalue.cli import main
from labelvalue.diagnostics import what_is_missing
from labelvalue.label_quality import read_annotations
from labelvalue.observe.simulate.protocol import beside
from labelvalue.problems import InputError
from labelvalue.testing import fake_annotation_truth, fake_annotations
from tests.observe.test_annotations import ARGILLA_FLAT


def test_o13_an_export_becomes_posteriors_of_seconds_labels_a_day_and_noise(tmp_path):
    """From Label Studio's JSON, through the command line, to what a case takes; the truth is that of the campaign."""
    truth = fake_annotation_truth(seed=5, slices=("de", "fr"), annotators=4, classes=2)
    campaign = fake_annotations(seed=5, truth=truth, items=80, votes=3)
    export, out = tmp_path / "export.json", tmp_path / "annotations.parquet"
    export.write_text(json.dumps(as_label_studio(campaign)))
    assert main(["import", "label-studio", str(export), "--slice", "data.country", "--out", str(out)]) == 0
    table = lv.label_quality.load_annotations(out)
    assert len(table) == len(campaign)
    quick = {"draws": 300, "tune": 400, "chains": 2, "random_seed": 1, "progress": False}
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
    assert any("2 protocols are mixed" in note for note in mixed.attrs[names.NOTES].splitlines())
    loss = simulate(replicates=1, metric="log_loss").to_dataframe()
    auc = simulate(replicates=1, metric="auc").to_dataframe()
    with pytest.raises(InputError, match="protocols measure different things"):
        read_runs(pd.concat([loss, auc]).drop(columns=[names.ERROR, names.ERROR_STDERR]))
