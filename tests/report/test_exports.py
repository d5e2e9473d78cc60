"""Tables and texts that leave the page."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from labelvalue.problems import StorageError
from labelvalue.report import report_tables, summary_text, write_tables


@pytest.fixture(scope="module")
def numbers(decided_file):
    return json.loads(decided_file.with_suffix(".json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_hold_the_numbers_of_the_page(numbers, tmp_path, kind):
    paths = {path.stem: path for path in write_tables(numbers, tmp_path, kind=kind)}
    assert {"gains", "plan", "scenarios", "ladder", "rules", "what_if", "assumptions"} <= set(paths)
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    plan = read(paths["plan"])
    assert plan["labels"].tolist() == [row["labels"] for row in numbers["plan"]["gain"]]
    assert plan["gain"].tolist() == pytest.approx([row["gain"] for row in numbers["plan"]["gain"]])
    grid = read(paths["what_if"])
    assert len(grid) == len(numbers["plan"]["what_if"]["rows"])
    assert grid["net_benefit_mean"].iloc[0] == pytest.approx(
        numbers["plan"]["what_if"]["rows"][0]["net_benefit"]["mean"]
    )


def test_no_spreadsheet_runs_a_name(numbers, tmp_path):
    bad = ["=cmd()", "+1", "-2", "@SUM(A1)", "\t=x"]
    rows = [{"id": name, "text": name, "value": -1.5, "source": "", "if_wrong": ""} for name in bad]
    write_tables(numbers | {"assumptions": rows}, tmp_path)
    table = pd.read_csv(tmp_path / "assumptions.csv", dtype=str, keep_default_na=False)
    assert table["id"].tolist() == [f"'{name}" for name in bad]
    assert table["value"].tolist() == ["-1.5"] * 5  # numbers stay numbers


def test_what_cannot_be_written_is_said(numbers, tmp_path):
    with pytest.raises(StorageError, match="no such folder"):
        write_tables(numbers, tmp_path / "none")
    with pytest.raises(ValueError, match="csv, parquet"):
        write_tables(numbers, tmp_path, kind="xls")


def test_the_summary_is_the_decision_in_plain_text(numbers):
    lines = summary_text(numbers).splitlines()
    assert lines[0] == f"{numbers['plan']['verdict'].upper()}: {numbers['plan']['sentence']}"
    assert numbers["plan"]["rules_sentence"] in lines
    assert f"Strongest reservation: {numbers['plan']['reservations'][0]}" in lines
    assert not any(mark in summary_text(numbers) for mark in "<{|")


def test_without_rows_there_is_no_table(numbers):
    assert "plan" not in report_tables(numbers | {"plan": None})
