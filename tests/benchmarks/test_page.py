"""The page's benchmark: what it prints is what lies on disk, and without a browser it goes on."""

import json

import pytest

from benchmarks import page


@pytest.mark.rendered
def test_sizes_are_those_of_the_files_and_without_a_browser_nothing_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(page, "browser_path", lambda: None)
    kept = tmp_path / "new" / "page.json"
    page.main(["--slices", "2", "--draws", "25", "--out", str(kept), "--pages", str(tmp_path)])
    found, out = json.loads(kept.read_text("utf-8")), capsys.readouterr().out
    plain, decided = found["pages"]
    assert (plain["slices"], plain["draws"], plain["decided"], decided["decided"]) == (2, 100, False, True)
    for row, name in ((plain, "2.html"), (decided, "2-decided.html")):
        assert row["mb"] == (tmp_path / name).stat().st_size / 1e6
        assert 0 < row["pictures_mb"] < row["mb"] < page.TARGET_MB
        assert row["writing"]["seconds"] > 0
        assert f"| {row['mb']:.2f} | {row['pictures_mb']:.2f} | 3 |" in out
    assert plain["mb"] < decided["mb"]
    assert plain["deciding"] is None
    assert decided["deciding"]["seconds"] > 0
    assert found["browser"] is None
    assert {row["load_s"] for row in found["pages"]} == {None}
    assert "No browser" in out


def test_a_page_over_the_target_is_marked():
    row = {"slices": 9, "decided": False, "mb": 3.21, "pictures_mb": 2.0, "target_mb": 3.0, "within_target": False}
    row |= {"deciding": None, "writing": {"processor_s": 4.04}, "load_s": 0.126}
    assert page.table([row]).splitlines()[-1] == "| 9 | no | 3.21 (over) | 2.00 | 3 |  | 4.0 | 0.13 |"


@pytest.mark.parametrize(
    ("asked", "kept"),
    [([], "results"), (["--slices", "6"], "out"), (["--draws", "1000"], "out"), (["--out", "mine/p.json"], "mine")],
)
def test_what_the_tables_quote_is_kept_and_nothing_else_takes_its_place(tmp_path, monkeypatch, asked, kept):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "browser_path", lambda: None)
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results" / page.RESULTS.name)
    row = {"mb": 1.0, "pictures_mb": 0.5, "target_mb": 3.0, "within_target": True, "writing": {"processor_s": 1.0}}
    row |= {"deciding": None, "load_s": None}
    monkeypatch.setattr(
        page, "measure", lambda slices, draws, decided, *_: row | {"slices": slices, "decided": decided}
    )
    page.main(asked)
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == [kept]


def test_results_lie_beside_those_of_the_others(root):
    assert page.RESULTS.parent == root / "benchmarks" / "results"
    said = (root / "benchmarks" / "README.md").read_text("utf-8").partition("## The page")[2].partition("\n## ")[0]
    assert f"`results/{page.RESULTS.name}`" in said
