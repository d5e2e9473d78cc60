"""Many projects: one that fails stops no other, and the table says how each ended."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from labelvalue import InputError, Project, cli, refit_all, testing
from labelvalue.numerals import significant
from labelvalue.operate.refit.many import COLUMNS, projects_in
from labelvalue.operate.refit.outcome import summary_lines
from tests.operate.conftest import CASE, QUIET, WITH_CASE, configure, put_case
from tests.report.conftest import Seen


@pytest.fixture
def root(tmp_path, sampler, first):
    for name in ("a", "b/deep", "empty", "broken"):
        project = Project.create(tmp_path / "root" / name)
        configure(project, QUIET)
        if name != "empty":
            project.add(first, batch="first")
    (tmp_path / "root" / "broken" / "labelvalue.toml").write_text("[fit]\ndraw = 1\n")
    (tmp_path / "root" / "no-project").mkdir()
    return tmp_path / "root"


def test_every_project_is_fitted_and_failures_are_rows(root, sampler):
    table = refit_all(root, progress=False).set_index("project")
    assert table["exit_code"].to_dict() == {"a": 0, "b/deep": 0, "broken": 1, "empty": 1}
    assert table.attrs["exit_code"] == 1
    assert "fit.draw" in table.loc["broken", "why"]
    assert "no batch yet" in table.loc["empty", "why"]
    assert table["new"].to_dict() == {"a": True, "b/deep": True, "broken": False, "empty": False}
    assert len(sampler.calls) == 2
    again = refit_all(root, progress=False)
    assert not again["new"].any(), "nothing new, nothing fitted"


@pytest.mark.rendered
def test_one_page_has_all_projects_the_worst_first(root, second):
    with_case = Project.open(root / "a")
    (with_case.folder / "case.toml").write_text(f"{CASE}[guardrails]\nmaximum_spend = {{ limit = 5000 }}\n")
    configure(with_case, WITH_CASE)
    with_case.refit(progress=False)
    with_case.add(second, batch="second", cost=1000)
    put_case(Project.open(root / "b" / "deep"), f"{CASE}[guardrails]\nlabels_in_all = 5\n")
    table = refit_all(root, progress=False).set_index("project")
    assert table["exit_code"].to_dict() == {"a": 0, "b/deep": 3, "broken": 1, "empty": 1}
    page = Path(table.attrs["page"])
    assert page == root / "projects.html"
    text = page.read_text("utf-8")
    seen = Seen(text)
    assert [name for name in seen.names if name in table.index] == ["b/deep", "broken", "empty", "a"]
    assert "3 of 4 need a look" in seen.words
    assert "guardrail, labels in all ≤ 5: STOP" in seen.words
    assert "fit.draw" in seen.words
    card, spent = with_case.scorecard(), with_case.assets()["cost"].sum()
    own = table.loc["a"]
    assert own["money_left"] == pytest.approx(5000 - spent)
    assert (own["promised"], own["delivered"]) == (card["promised"].mean(), card["delivered"].mean())
    for value in own[["money_left", "promised", "delivered"]]:
        assert significant(value) in seen.words
    links = re.findall(r'<a href="\./([^"]+)">', text)
    assert [(root / link).resolve() for link in links] == [Path(own["page"]).resolve()]
    assert not re.search(r"https?://|<script", text), "it asks for nothing"
    assert re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', text) == [
        "Gain promised and delivered of the projects a; the table below has the numbers."
    ]
    assert [*summary_lines(table.reset_index().iloc[:1])][-1] == "1 project, 1 fitted"


def test_a_project_that_is_busy_or_out_of_storage_is_a_row_too(root, monkeypatch):
    from labelvalue import BusyError, StorageError

    errors = {"a": BusyError("busy: held"), "deep": StorageError("full")}
    monkeypatch.setattr(
        Project, "refit", lambda self, **_: (_ for _ in ()).throw(errors.get(self.folder.name, KeyError("odd")))
    )
    codes = refit_all(root, progress=False).set_index("project")["exit_code"].to_dict()
    assert codes == {"a": 4, "b/deep": 5, "broken": 1, "empty": 1}


def test_the_command_ends_with_the_highest_code(root, capsys):
    assert cli.main(["refit", str(root), "--all"]) == 1
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines() if " " in line.strip()) <= 80, "but for a path that is longer"
    assert "4 projects, 2 fitted, 2 with an exit code other than 0" in text
    assert cli.main(["refit", str(root), "--all", "--json"]) == 1
    assert [row["project"] for row in json.loads(capsys.readouterr().out)["projects"]] == [
        "a", "b/deep", "broken", "empty"]  # fmt: skip


def test_the_command_hands_on_how_many_at_a_time_and_where(tmp_path, monkeypatch, capsys):
    asked = []

    def spy(root, **settings):
        asked.append((root, settings))
        table = pd.DataFrame([dict.fromkeys(COLUMNS) | {"project": "a", "exit_code": 4, "new": False, "seconds": 0.1}])
        table.attrs["exit_code"] = 4
        return table

    monkeypatch.setattr("labelvalue.operate.refit.many.refit_all", spy)
    command = ["refit", str(tmp_path), "--all", "--json"]
    assert cli.main(command) == 4
    options = ["--jobs", "3", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:8786", "--no-backtest"]
    assert cli.main([*command, *options]) == 4
    assert [found[0] for found in asked] == [tmp_path] * 2
    assert asked[0][1] == {"n_jobs": 1, "backend": "joblib", "scheduler": None, "backtest": True}
    assert asked[1][1] == {"n_jobs": 3, "backend": "dask", "scheduler": "tcp://127.0.0.1:8786", "backtest": False}
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert (first["exit_code"], [row["project"] for row in first["projects"]]) == (4, ["a"])


def dying_for(names, place):
    """Work on a project that kills its worker for those names, and says how often it was begun."""

    def work(folder, name, *_):  # sent to workers by value, which thus import nothing of ours
        import os
        import time
        from pathlib import Path

        with open(Path(place) / name.replace("/", "-"), "a") as file:
            file.write("x")
        if name in names:
            time.sleep(0.2)
            os._exit(1)
        return {"project": name, "exit_code": 0, "new": True, "why": ""}

    return work


@pytest.mark.parametrize("backend", ["joblib", pytest.param("dask", marks=pytest.mark.slow(reason="starts a cluster"))])
@pytest.mark.filterwarnings("default")
def test_a_worker_that_is_killed_stops_no_other_project(root, tmp_path, monkeypatch, backend):
    if backend == "dask":
        pytest.importorskip("distributed")
    begun = tmp_path / "begun"
    begun.mkdir()
    monkeypatch.setattr("labelvalue.operate.refit.many.refit_one", dying_for(("b/deep",), str(begun)))
    table = refit_all(root, n_jobs=2, backend=backend, progress=False).set_index("project")
    assert table["exit_code"].to_dict() == {"a": 0, "b/deep": 2, "broken": 0, "empty": 0}
    assert table["new"].to_dict() == {"a": True, "b/deep": False, "broken": True, "empty": True}
    assert table.attrs["exit_code"] == 2
    assert "was killed" in table.loc["b/deep", "why"]
    assert len((begun / "b-deep").read_text()) >= 2, "tried again"


def test_links_are_not_followed_and_projects_hold_none(root, tmp_path):
    (root / "link").symlink_to(root / "a")
    assert [path.relative_to(root).as_posix() for path in projects_in(root)] == ["a", "b/deep", "broken", "empty"]


@pytest.mark.parametrize(
    "settings", [{"backend": "threads"}, {"n_jobs": 0}, {"n_jobs": 1.5}, {"scheduler": "tcp://127.0.0.1:8786"}]
)
def test_settings_that_are_none(root, settings):
    with pytest.raises(InputError):
        refit_all(root, progress=False, **settings)


def test_a_folder_without_projects(tmp_path):
    with pytest.raises(InputError, match="no project in it"):
        refit_all(tmp_path, progress=False)


@pytest.mark.slow(reason="starts worker processes that import everything, and a real fit in each kind")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("backend", ["joblib", "dask"])
def test_workers_of_both_kinds(tmp_path, backend):
    """Each project in a worker, its fit in a child of that; one is empty, one broken; a second night finds nothing."""
    if backend == "dask":
        pytest.importorskip("distributed")
    for name in ("a", "b", "c"):
        project = Project.create(tmp_path / name)
    configure(Project.open(tmp_path / "b"), "[fit]\ndraw = 1\n")
    configure(project, QUIET + "[fit]\ndraws = 100\ntune = 100\nchains = 2\n")
    project.add(testing.fake_runs(seed=1, slices=("east", "west"), sizes=(250, 1000, 4000), replicates=2), batch="one")
    table = refit_all(tmp_path, n_jobs=2, backend=backend, progress=False)
    assert table["project"].tolist() == ["a", "b", "c"]
    assert table["exit_code"].tolist()[:2] == [1, 1]
    for why, said in zip(table["why"], ("no batch yet", "fit.draw", ""), strict=True):
        assert said in why
    assert table["new"].tolist() == [False, False, True]
    assert table["verdict"].iloc[2] in ("ok", "flagged", "refused"), "so few draws are no promise"
    assert Project.open(tmp_path / "c").ledger.records("fit")[0].content["fit"] == table["fit"].iloc[2]
    Project.open(tmp_path / "c").verify()
    assert not refit_all(tmp_path, n_jobs=2, backend=backend, progress=False)["new"].any()
