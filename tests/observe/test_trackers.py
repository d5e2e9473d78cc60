"""MLflow dumps, Weights & Biases exports and learning curves become runs (O15; inputs rows 61, 70, 71)."""

import json

import numpy as np
import pandas as pd
import pytest

from labelvalue import names, read_mlflow, read_runs, read_wandb, write_runs
from labelvalue.cli import main
from labelvalue.problems import InputError

DUMP = """\
run_id,experiment_id,status,start_time,end_time,metrics.val_error,metrics.n_val,params.slice,params.n_labels,params.rep,tags.mlflow.parentRunId
a1,5,FINISHED,2026-03-01 10:00:00+00:00,2026-03-01 10:02:00+00:00,0.30,500,FR,200,0,p0
a2,5,FINISHED,2026-03-01 10:05:00+00:00,2026-03-01 10:08:00+00:00,0.22,500,FR,400,0,p0
a3,5,FINISHED,2026-03-01 10:10:00+00:00,2026-03-01 10:15:00+00:00,0.17,500,FR,800,0,p0
a4,5,FINISHED,2026-03-01 10:20:00+00:00,2026-03-01 10:22:00+00:00,0.36,250,NA,100,0,p0
a5,5,FINISHED,2026-03-01 10:25:00+00:00,2026-03-01 10:28:00+00:00,0.29,250,NA,200,0,p0
a6,5,FAILED,2026-03-01 10:30:00+00:00,2026-03-01 10:30:10+00:00,,,NA,400,0,p0
a7,5,RUNNING,2026-03-01 10:31:00+00:00,,,,NA,400,1,p0
p0,5,FINISHED,2026-03-01 09:59:00+00:00,2026-03-01 10:32:00+00:00,,,,,,
"""
BAD = "b1,5,FINISHED,2026-03-01 11:00:00+00:00,2026-03-01 11:01:00+00:00,0.31,500,FR,abc,0,\n"
MAP = {
    "slice": "params.slice",
    "labels": "params.n_labels",
    "value": "metrics.val_error",
    "trials": "metrics.n_val",
    "replicate": "params.rep",
}


def file(tmp_path, text, name="mlflow.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def notes(runs) -> list[str]:
    return runs.attrs[names.NOTES].splitlines()


def test_a_dump_becomes_runs_and_every_run_keeps_its_id(tmp_path):
    runs = read_mlflow(file(tmp_path, DUMP), columns=MAP, metric="error_rate")
    assert runs.sizes["run"] == 5
    by_id = runs.to_dataframe().set_index(names.SOURCE_ID)
    assert by_id[names.SLICE].to_dict() == {"a1": "FR", "a2": "FR", "a3": "FR", "a4": "NA", "a5": "NA"}
    assert by_id.loc["a1", names.SECONDS] == 120
    assert by_id.loc["a1", names.MEASURED_AT] == pd.Timestamp("2026-03-01 10:02:00")
    assert by_id[names.TRIALS].tolist() == [500, 500, 500, 250, 250]
    assert "5 runs taken, left out: 1 failed, 1 parent, 1 running" in notes(runs)


def test_it_is_a_runs_table_like_any_other(tmp_path):
    runs = read_mlflow(file(tmp_path, DUMP), columns=MAP, metric="error_rate")
    again = read_runs(write_runs(runs, tmp_path / "runs.csv"), metric="error_rate")
    assert again.drop_attrs().identical(runs.drop_attrs())


@pytest.mark.parametrize("name", ["mlflow.csv", "mlflow.parquet"])
def test_labels_that_are_no_count_are_named_with_their_run(name, tmp_path):
    path = file(tmp_path, DUMP + BAD)
    if name.endswith("parquet"):
        frame = pd.read_csv(path, keep_default_na=False, dtype=str)
        path = tmp_path / name
        frame.to_parquet(path)
    with pytest.raises(InputError) as caught:
        read_mlflow(path, columns=MAP, metric="error_rate")
    (problem,) = caught.value.problems
    assert problem.column == "params.n_labels"
    assert problem.value == "abc"
    assert problem.why == "run b1: not a whole number"
    assert problem.line == (10 if name.endswith("csv") else 9)
    empty = BAD.replace("abc", "")
    with pytest.raises(InputError, match=r"mlflow\.csv:10, column 'params\.n_labels'.*run b1: missing"):
        read_mlflow(file(tmp_path, DUMP + empty), columns=MAP, metric="error_rate")


def test_types_of_parquet_are_what_the_search_returns(tmp_path):
    frame = pd.read_csv(file(tmp_path, DUMP), keep_default_na=False, dtype=str)
    for column in ("metrics.val_error", "metrics.n_val"):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    for column in ("start_time", "end_time"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    for column in ("params.slice", "params.n_labels", "params.rep"):
        frame[column] = frame[column].where(frame[column] != "", None)
    path = tmp_path / "mlflow.parquet"
    frame.to_parquet(path)
    one = read_mlflow(path, columns=MAP, metric="error_rate")
    two = read_mlflow(file(tmp_path, DUMP), columns=MAP, metric="error_rate")
    assert one.drop_attrs().identical(two.drop_attrs())


def test_a_finished_run_without_the_metric_is_left_out_and_named(tmp_path):
    text = DUMP.replace("0.22,500,FR,400", ",500,FR,400")
    runs = read_mlflow(file(tmp_path, text), columns=MAP, metric="error_rate")
    assert "finished runs without the mapped metric left out: a2" in notes(runs)
    assert "4 runs taken, left out: 1 failed, 1 parent, 1 running, 1 without the metric" in notes(runs)
    wrong = MAP | {"value": "metrics.loss"}
    lines = [f"{line},{'' if i else 'metrics.loss'}" for i, line in enumerate(DUMP.splitlines())]
    empty = "\n".join(lines)
    with pytest.raises(InputError, match=r"no finished run has a measurement in 'metrics\.loss'.*metrics\.val_error"):
        read_mlflow(file(tmp_path, empty), columns=wrong, metric="error_rate")


def test_names_like_ours_are_taken_and_told(tmp_path):
    text = (
        "run_id,status,params.slice,params.labels,metrics.errors,metrics.trials,tags.learner\n"
        "a,FINISHED,NA,100,30,100,tree\nb,FINISHED,007,200,20,100,tree\n"
    )
    runs = read_mlflow(file(tmp_path, text))
    assert sorted(runs[names.SLICE].values) == ["007", "NA"]
    assert set(runs[names.LEARNER].values) == {"tree"}
    assert "'labels' taken from 'params.labels'" in notes(runs)


def test_one_tracked_run_may_hold_a_metric_a_slice(tmp_path):
    text = (
        "run_id,status,metrics.error_FR,metrics.error_NA,metrics.n_FR,metrics.n_NA,params.labels\n"
        "a,FINISHED,0.3,0.4,500,250,100\nb,FINISHED,0.2,,500,250,200\n"
    )
    columns = {"value": "metrics.error_{slice}", "trials": "metrics.n_{slice}"}
    runs = read_mlflow(file(tmp_path, text), columns=columns, metric="error_rate")
    found = runs.to_dataframe()[[names.SLICE, names.LABELS, names.VALUE, names.TRIALS, names.SOURCE_ID]]
    assert sorted(map(tuple, found.to_numpy())) == [
        ("FR", 100, 0.3, 500, "a"), ("FR", 200, 0.2, 500, "b"), ("NA", 100, 0.4, 250, "a")
    ]  # fmt: skip


def test_runs_that_are_alike_are_numbered(tmp_path):
    columns = {name: theirs for name, theirs in MAP.items() if name != "replicate"}
    text = DUMP + DUMP.splitlines()[1].replace("a1", "c1").replace("0.30", "0.32") + "\n"
    runs = read_mlflow(file(tmp_path, text), columns=columns, metric="error_rate").to_dataframe()
    assert runs.set_index(names.SOURCE_ID).loc[["a1", "c1"], names.REPLICATE].tolist() == [0, 1]


def test_noise_must_be_told(tmp_path):
    columns = {name: theirs for name, theirs in MAP.items() if name != "trials"}
    with pytest.raises(InputError, match="noise is unknown; add 'trials' or 'stderr'"):
        read_mlflow(file(tmp_path, DUMP), columns=columns, metric="error_rate")


def test_a_zone_that_the_dump_lost_is_noted_or_given(tmp_path):
    path = file(tmp_path, DUMP.replace("+00:00", ""))
    runs = read_mlflow(path, columns=MAP, metric="error_rate")
    assert any("without a zone read as UTC" in n for n in notes(runs))
    moved = read_mlflow(path, columns=MAP, metric="error_rate", timezone="Europe/Paris")
    assert moved[names.MEASURED_AT].values.max() == np.datetime64("2026-03-01T09:28:00", "ns")


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        (DUMP, MAP | {"labels": "params.nlabels"}, r"no column 'params.nlabels'; did you mean 'params.n_labels'\?"),
        (DUMP, MAP | {"label": "params.slice"}, r"unknown column 'label'; did you mean 'labels'\?"),
        (DUMP, MAP | {"value": "metrics.error_{slice}"}, "no column 'metrics.error_{slice}'"),
        ("a,b\n1,2\n", {}, "not a runs table of MLflow: no column 'run_id' and 'status'"),
        ("run_id,status\n", {}, "0 data rows"),
        ("run_id,run_id\na,b\n", {}, "column 'run_id' appears at positions 1 and 2"),
        (DUMP + "x,y\n", MAP, "mlflow.csv:10: 2 cells, header has 11"),
        ("run_id,status\na,FAILED\n", {}, "no finished run has a measurement"),
    ],
)
def test_dumps_that_cannot_be(text, columns, says, tmp_path):
    with pytest.raises(InputError, match=says):
        read_mlflow(file(tmp_path, text), columns=columns, metric="error_rate")


def test_files_that_are_no_dump(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_mlflow(tmp_path / "none.csv")
    path = tmp_path / "runs.csv"
    path.write_bytes(b"\x80\x04\x95.")
    with pytest.raises(InputError, match="not a supported format"):
        read_mlflow(path)
    path.write_bytes("run_id,status\né,x\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_mlflow(path)
    broken = tmp_path / "runs.parquet"
    broken.write_bytes(b"PAR1 and nothing")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_mlflow(broken)


# --- Weights & Biases -----------------------------------------------------------------------------

WANDB = """\
"Name","State","Notes","User","Tags","Created","Runtime","slice","n_train","val/acc","trials"
"calm-sea-1","finished","-","ana","","2026-03-01T10:00:00.000Z","120","FR","200","0.70","500"
"calm-sea-2","finished","-","ana","","2026-03-01T10:05:00.000Z","180","FR","400","0.78","500"
"calm-sea-3","crashed","-","ana","","2026-03-01T10:10:00.000Z","10","FR","800","","500"
"calm-sea-4","finished","-","ana","","2026-03-01T10:12:00.000Z","15","FR","800","","500"
"""


def test_an_export_of_weights_and_biases(tmp_path):
    path = file(tmp_path, WANDB, "wandb_export.csv")
    runs = read_wandb(path, columns={"labels": "n_train", "value": "val/acc"}, metric="accuracy")
    frame = runs.to_dataframe().set_index(names.SOURCE_ID)
    assert frame[names.LABELS].to_dict() == {"calm-sea-1": 200, "calm-sea-2": 400}
    assert frame[names.ERROR].round(6).tolist() == [0.3, 0.22]
    assert frame.loc["calm-sea-1", names.SECONDS] == 120
    assert frame.loc["calm-sea-1", names.MEASURED_AT] == pd.Timestamp("2026-03-01 10:02:00")
    assert "2 runs taken, left out: 1 crashed, 1 without the metric" in notes(runs)
    with pytest.raises(InputError, match="not a runs table of Weights & Biases"):
        read_wandb(file(tmp_path, DUMP))


EXPORT_2025 = """\
"Name","Agent","State","Notes","User","Tags","Created","Runtime","Sweep","batch_size","metric.goal","n_train","slice","skip_eval","eval/acc","eval/num_samples","epoch"
"unet_1763027298","","finished","-","","","2025-11-13T09:48:11.000Z","9910","1wfhjnkh","8","","200","FR","false","0.70","500","100"
"unet_1763027298","","finished","-","","","2025-11-13T10:48:11.000Z","9911","1wfhjnkh","8","","400","FR","false","0.78","500","100"
"unet_1763026462","","failed","-","","","2025-11-13T09:34:15.000Z","5902","1wfhjnkh","8","","800","FR","false","","500","3"
"""  # columns and cells as the runs table exported them in 2025: pinned columns between the fixed ones, bare names


def test_the_columns_of_a_real_export_are_found(tmp_path):
    path = file(tmp_path, EXPORT_2025, "wandb_export.csv")
    pairs = {"labels": "n_train", "value": "eval/acc", "trials": "eval/num_samples"}
    runs = read_wandb(path, columns=pairs, metric="accuracy").to_dataframe()
    assert runs[names.LABELS].tolist() == [200, 400]
    assert runs[names.SECONDS].tolist() == [9910, 9911]
    assert runs[names.MEASURED_AT].iloc[0] == pd.Timestamp("2025-11-13 12:33:21")
    told = notes(read_wandb(path, columns=pairs, metric="accuracy"))
    assert "several runs share a 'Name'; export the table with 'ID' to tell them apart" in told
    with pytest.raises(InputError, match="not a runs table of Weights & Biases"):
        read_wandb(file(tmp_path, '"Step","unet - eval/acc","unet - eval/acc__MIN"\n"1","0.7","0.7"\n', "chart.csv"))


LOCAL_CONFIG = """\
wandb_version: 1

_wandb:
    desc: null
    value:
        cli_version: 0.16.0
        slice: DE
        t:
            1:
            - 1
slice:
    desc: null
    value: SLICE
labels:
    value: LABELS
note:
    desc: null
    value: a text that goes on
        over the line
tags:
    value:
        - a
        - b
loose: *anchor
rate:
    value: 1e-05
"""  # as the library wrote it until 2023, and without desc since


@pytest.fixture
def local(tmp_path):
    """A folder ``wandb``: two runs that ended, one that goes on, one that is empty, and links."""
    folder = tmp_path / "wandb"
    for name, slice_, labels, more in (
        ("run-20260301_100000-aa11", "'007'", "100", {"_wandb": {"runtime": 120}}),
        ("offline-run-20260301_100500-bb22", '"N\\u00c9"', "200", {"_wandb": {"runtime": 180}}),
        ("run-20260301_101000-cc33", "NA", "400", {}),
        ("run-20260301_101200-dd44", None, None, None),
    ):
        files = folder / name / "files"
        files.mkdir(parents=True)
        if more is not None:
            summary = {"val/acc": 0.7, "trials": 500, "_timestamp": 1772359320.0, "plot": {"a": 1}}
            (files / "wandb-summary.json").write_text(json.dumps(summary | more))
            (files / "config.yaml").write_text(LOCAL_CONFIG.replace("SLICE", slice_).replace("LABELS", labels))
    (folder / "latest-run").symlink_to(folder / "run-20260301_101000-cc33")
    (folder / "link-run-x").symlink_to(folder / "run-20260301_100000-aa11")
    return folder


def test_p15_a_local_folder_of_weights_and_biases_is_read_without_a_server(local, tmp_path):
    runs = read_wandb(local, columns={"value": "summary.val/acc"}, metric="accuracy")
    frame = runs.to_dataframe().set_index(names.SOURCE_ID)
    assert frame[names.SLICE].to_dict() == {"aa11": "007", "bb22": "NÉ"}
    assert frame[names.LABELS].tolist() == [100, 200]
    assert frame[names.SECONDS].tolist() == [120, 180]
    assert frame.loc["aa11", names.MEASURED_AT] == pd.Timestamp("2026-03-01 10:02:00")
    assert "2 runs taken, left out: 2 of unknown state" in notes(runs)
    out, pair = tmp_path / "runs.csv", ["--map", "value=summary.val/acc", "--metric", "accuracy"]
    assert main(["import", "wandb", str(local / "run-20260301_100000-aa11"), "--out", str(out), *pair]) == 0
    assert pd.read_csv(out, dtype=str)["slice"].tolist() == ["007"]
    with pytest.raises(InputError) as caught:
        read_wandb(local, columns={"labels": "config.note"})
    assert caught.value.problems[0].fix.endswith("summary._timestamp, config.slice, config.labels, config.rate")


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "no object"), ("{", "not the summary of a run"), ('{"a": 1, "a": 2}', "stands twice"),
     ('{"_timestamp": "x", "_wandb": {"runtime": 1}}', "not the summary"),
     ('{"_timestamp": 1e300, "_wandb": {"runtime": 1}}', "not the summary")],
)  # fmt: skip
def test_a_summary_that_is_none_is_refused_by_its_run(text, said, local):
    (local / "run-20260301_100000-aa11" / "files" / "wandb-summary.json").write_text(text)
    with pytest.raises(InputError, match=r"run-20260301_100000-aa11/wandb-summary\.json: .*" + said):
        read_wandb(local)
    with pytest.raises(InputError, match="no run in it"):
        read_wandb(local.parent)


def test_a_configuration_of_a_million_lines_is_read_in_a_moment(local):
    """Lines that begin what never comes: searching on from each to the end took minutes."""
    (local / "run-20260301_100000-aa11" / "files" / "config.yaml").write_text("a\n" * 1_000_000 + LOCAL_CONFIG)
    with pytest.raises(InputError, match=r"no column|missing"):
        read_wandb(local / "run-20260301_100000-aa11", columns={"value": "config.a"})


# --- the command line -----------------------------------------------------------------------------


def test_on_the_command_line(tmp_path, capsys):
    out = tmp_path / "runs.csv"
    pairs = [part for ours, theirs in MAP.items() for part in ("--map", f"{ours}={theirs}")]
    command = ["import", "mlflow", str(file(tmp_path, DUMP)), "--metric", "error_rate", "--out", str(out)]
    assert main([*command, *pairs]) == 0
    said = capsys.readouterr().out
    assert said.startswith("5 runs in\n")
    assert "1 failed, 1 parent, 1 running" in said
    assert read_runs(out, metric="error_rate").sizes["run"] == 5
    assert main([*command, *pairs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 5
    assert main([*command, "--map", "labels"]) == 1
    assert "not of the form OURS=THEIRS" in capsys.readouterr().err
    assert main(["import", "mlflow", str(file(tmp_path, DUMP + BAD)), "--out", str(out), *pairs]) == 1
    assert "run b1: not a whole number" in capsys.readouterr().err


def test_an_export_of_weights_and_biases_on_the_command_line(tmp_path, capsys):
    out = tmp_path / "runs.parquet"
    path = file(tmp_path, WANDB, "wandb_export.csv")
    pairs = ["--map", "labels=n_train", "--map", "value=val/acc", "--metric", "accuracy"]
    assert main(["import", "wandb", str(path), "--out", str(out), *pairs]) == 0
    assert capsys.readouterr().out.startswith("2 runs in\n")
