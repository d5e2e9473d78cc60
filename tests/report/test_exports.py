"""Tables and texts that leave the page."""

import json
import re
import sys
import zipfile
from xml.etree import ElementTree

import pandas as pd
import pytest

from labelvalue import write_report
from labelvalue.observe.table.schema import guard, unguard
from labelvalue.problems import StorageError
from labelvalue.report.numbers.exports import LONGEST, report_tables, summary_text, workbook, write_tables
from labelvalue.report.numbers.numbers import report_numbers


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
    bad = ["=cmd()", "+1", "-A2", "@SUM(A1)", "\t=x"]
    rows = [{"id": name, "text": name, "value": -1.5, "source": "", "if_wrong": ""} for name in bad]
    write_tables(numbers | {"assumptions": rows}, tmp_path)
    table = pd.read_csv(tmp_path / "assumptions.csv", dtype=str, keep_default_na=False)
    assert table["id"].tolist() == [f"'{name}" for name in bad]
    assert table["value"].tolist() == ["-1.5"] * 5  # numbers stay numbers


SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_sheet(content, name):
    """Rows of a sheet as it is stored, texts and numbers; fails on a formula or a link."""
    with zipfile.ZipFile(content) as book:
        inside = {path: book.read(path) for path in book.namelist()}
    texts = ["".join(t.text or "" for t in si.iter(f"{SPACE}t")) for si in
             ElementTree.fromstring(inside["xl/sharedStrings.xml"])]  # fmt: skip
    sheets = [s.get("name") for s in ElementTree.fromstring(inside["xl/workbook.xml"]).iter(f"{SPACE}sheet")]
    sheet = ElementTree.fromstring(inside[f"xl/worksheets/sheet{sheets.index(name) + 1}.xml"])
    assert not list(sheet.iter(f"{SPACE}f"))
    assert not list(sheet.iter(f"{SPACE}hyperlink"))
    rows = []
    for row in sheet.iter(f"{SPACE}row"):
        cells = {}
        for cell in row.iter(f"{SPACE}c"):
            value = cell.find(f"{SPACE}v")
            if value is not None:
                shown = texts[int(value.text)] if cell.get("t") == "s" else float(value.text)
                cells[re.sub(r"\d", "", cell.get("r"))] = shown
        rows.append(cells)
    return sheets, rows


def test_a_workbook_holds_every_table_with_numbers_as_numbers(numbers, tmp_path):
    (path,) = write_tables(numbers, tmp_path / "tables.xlsx")
    assert path.name == "tables.xlsx"
    sheets, rows = read_sheet(path, "plan")
    tables = report_tables(numbers)
    assert sheets == list(tables)
    column = {title: letter for letter, title in rows[0].items()}
    assert [row[column["labels"]] for row in rows[1:]] == tables["plan"]["labels"].tolist()
    assert [row[column["gain"]] for row in rows[1:]] == pytest.approx(tables["plan"]["gain"].tolist())
    assert [row[column["slice"]] for row in rows[1:]] == tables["plan"]["slice"].tolist()


def test_no_cell_of_a_workbook_is_a_formula_or_a_link(hostile_fit, tmp_path):
    numbers = report_numbers(hostile_fit, budgets=[500])
    names = [
        *hostile_fit.slices.tolist(), "http://evil.example", "mailto:a@b", "{=1+1}", "1e5", "007", "_x0041_", " x ",
    ]  # fmt: skip
    made = workbook({"gains": report_tables(numbers)["gains"], "names": pd.DataFrame({"slice": names})})
    (tmp_path / "names.xlsx").write_bytes(made)
    _, rows = read_sheet(tmp_path / "names.xlsx", "gains")
    assert {row["A"] for row in rows[1:]} == set(hostile_fit.slices)
    _, rows = read_sheet(tmp_path / "names.xlsx", "names")
    shown = [re.sub("_x005F_", "_", row["A"]) for row in rows[1:]]  # how the format escapes its own escapes
    assert shown == names


def test_the_same_tables_give_the_same_workbook_and_long_texts_say_what_is_missing(tmp_path):
    table = {
        "t": pd.DataFrame({"text": ["x" * 40_000, "y"], "value": [float("nan"), float("inf")], "is": [True, False]})
    }
    assert workbook(table) == workbook(table)
    (tmp_path / "t.xlsx").write_bytes(workbook(table))
    _, rows = read_sheet(tmp_path / "t.xlsx", "t")
    assert len(rows[1]["A"]) <= LONGEST
    assert rows[1]["A"].endswith(f"and {40_000 - rows[1]['A'].count('x'):,} characters more")
    assert (rows[1].get("B"), rows[2]["B"]) == (None, "inf")
    assert (rows[1]["C"], rows[2]["C"]) == (1.0, 0.0)


def test_without_the_writer_the_way_out_is_named(numbers, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ValueError, match=r"XlsxWriter is not installed.*labelvalue\[excel\]"):
        write_tables(numbers, tmp_path / "tables.xlsx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["=1", "+1", "-A1", "@a", "\t=1", "\r1", "'=1", "''-x", "plain", "'tis", "", "'"])
@pytest.mark.parametrize("spreadsheet", [True, False])
def test_what_is_guarded_is_read_back(text, spreadsheet):
    written = guard(text, spreadsheet=spreadsheet)
    assert unguard(written) == text
    assert not (spreadsheet and written.startswith(("=", "+", "-", "@", "\t", "\r")))


@pytest.mark.rendered
def test_pictures_are_files_of_their_own(fake_fit, decided, tmp_path):
    _, plan = decided
    write_report(plan, path=tmp_path / "report.html", pictures=tmp_path, budgets=[500])
    names = ["first-1", "first-2", "curves-1", "gains-1", "impacts-1", "money-1", "tornado-1", "ranks-1"]
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.svg" for name in names} | {"report.html"}
    for path in tmp_path.glob("*.svg"):
        assert ElementTree.fromstring(path.read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.rendered
def test_the_page_takes_its_tables_and_pictures_along(fake_fit, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "tables").mkdir()
    folders = {"tables": tmp_path / "tables", "pictures": tmp_path / "pictures"}
    write_report(fake_fit, path=tmp_path / "report.html", budgets=[500], **folders)
    assert (tmp_path / "pictures" / "curves-1.svg").read_bytes().startswith(b"<?xml")
    found = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert found == ["gains.csv", "limitations.csv", "second_opinion.csv"]


def test_what_cannot_be_written_is_said(numbers, fake_fit, tmp_path):
    with pytest.raises(StorageError, match="no such folder"):
        write_tables(numbers, tmp_path / "none")
    with pytest.raises(ValueError, match="csv, parquet, got"):
        write_tables(numbers, tmp_path, kind="xls")
    with pytest.raises(StorageError, match="no such folder"):
        write_report(fake_fit, path=tmp_path / "report.html", pictures=tmp_path / "none")


def test_the_summary_is_the_decision_in_plain_text(numbers):
    lines = summary_text(numbers).splitlines()
    assert lines[0] == f"{numbers['plan']['verdict'].upper()}: {numbers['plan']['sentence']}"
    assert numbers["plan"]["rules_sentence"] in lines
    assert numbers["plan"]["reservation"] in lines
    assert not any(mark in summary_text(numbers) for mark in "<{|")


def test_without_rows_there_is_no_table(numbers):
    assert "plan" not in report_tables(numbers | {"plan": None})
