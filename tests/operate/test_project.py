"""A project from its folder to its verdicts: idempotent, ordered by sequence, published only through the gate."""

import getpass
import hashlib
import html
import json
import platform
import re
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import InputError, Project, StorageError, names, testing
from labelvalue.model.curve.observations import observe
from labelvalue.operate.store.batches import content_digest
from labelvalue.operate.store.identity import PATTERN, code_version
from tests.operate.conftest import CASE, QUIET, WITH_CASE, configure, kinds

# --- init -----------------------------------------------------------------------------------------


def test_a_new_project_is_sound(tmp_path):
    project = Project.create(tmp_path / "a" / "b")
    assert {"labelvalue.toml", "ledger.sqlite", "runs", "fits"} <= {p.name for p in project.folder.iterdir()}
    assert kinds(Project.open(project.folder)) == ["project"]
    assert len(project.verify()) == 64


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(InputError, match="folder is not empty"):
        Project.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_init_twice_is_refused_and_a_configuration_of_ones_own_is_kept(tmp_path):
    (tmp_path / "labelvalue.toml").write_text("[fit]\nrandom_seed = 7\n")
    assert Project.create(tmp_path).configuration.fit.random_seed == 7
    with pytest.raises(InputError, match="is a project already"):
        Project.create(tmp_path)


def test_a_folder_that_is_no_project(tmp_path):
    with pytest.raises(InputError, match="not a labelvalue project"):
        Project.open(tmp_path)


# --- add ------------------------------------------------------------------------------------------


def test_the_same_content_again_changes_nothing(project, first, tmp_path):
    project.add(first, batch="a")
    before = project.history()
    shuffled = first.isel({names.RUN: np.random.default_rng(1).permutation(first.sizes[names.RUN])})
    path = lv.write_runs(shuffled, tmp_path / "same-under-another-name.csv")
    project.add(path).add(first, batch="b")
    pd.testing.assert_frame_equal(project.history(), before)


def test_an_id_is_taken_once_and_superseded_only_on_request(project, first, second):
    project.add(first, batch="a")
    with pytest.raises(InputError, match=r"other content \(record 3\)"):
        project.add(second, batch="a")
    project.add(second, batch="a", supersede=True)
    batches = project.ledger.records("batch")
    assert [record.content["supersedes"] for record in batches] == [None, 3]
    assert project.runs.sizes[names.RUN] == second.sizes[names.RUN]
    assert len(list((project.folder / "runs").iterdir())) == 2, "the old one stays"


def test_batches_are_put_together_in_one_table(project, first, second):
    project.add(first, batch="a").add(second, batch="b")
    joint = project.runs
    assert joint.sizes[names.RUN] == first.sizes[names.RUN] + second.sizes[names.RUN]
    for batch, runs in (("a", first), ("b", second)):
        mine = joint.isel({names.RUN: joint[names.BATCH].values == batch})
        assert int(mine[names.ERRORS].sum()) == int(runs[names.ERRORS].sum())


@pytest.mark.parametrize("verdict", ["ok", "refused"])
def test_a_batch_that_arrives_finds_the_runs_of_the_others_in_the_newest_fit(
    project, sampler, first, second, verdict, monkeypatch
):
    """Whether or not it was published; each of thousands of files would be unpacked otherwise."""
    sampler.verdict = verdict
    project.add(first, batch="a").refit(progress=False)
    unpacked = []
    monkeypatch.setattr("labelvalue.operate.store.batches.table_of", lambda content, batch: unpacked.append(batch.name))
    alike = second.assign({names.SLICE: (names.RUN, [name.upper() for name in second[names.SLICE].values])})
    with pytest.raises(InputError, match=r"'c' does not go with the others: slices .* differ only in"):
        project.add(alike, batch="c")
    project.add(second, batch="b")
    assert unpacked == []
    (project.folder / "runs" / project.ledger.records("batch")[0].content["file"]).write_bytes(b"altered")
    with pytest.raises(StorageError, match="batch 'a': the file was altered"):
        project.add(second.assign({names.REPLICATE: second[names.REPLICATE] + 100}), batch="c")


def test_the_order_of_arrival_changes_no_number(tmp_path, sampler, first, second):
    orders = [[("a", first), ("b", second)], [("b", second), ("a", first)]]
    made = []
    for i, order in enumerate(orders):
        project = Project.create(tmp_path / str(i))
        configure(project, QUIET)
        for name, runs in order:
            project.add(runs, batch=name)
        made.append((content_digest(project.runs), project.refit(progress=False).fit))
    assert made[0] == made[1]


def test_p3_a_batch_of_another_slice_leaves_what_a_model_sees_of_the_others(project):
    """No scale of the data at hand: what old curves come in as does not hang on what came beside them."""
    project.add(testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000), slices=("east", "west")), batch="a")
    before = observe(project.runs)
    far = testing.fake_runs(seed=2, sizes=(4_000, 8_000, 16_000, 64_000, 256_000), slices=("huge", "other"), trials=50)
    project.add(far, batch="b")
    after = observe(project.runs)
    kept = after.isel(curve=np.flatnonzero(np.isin(after[names.SLICE], before[names.SLICE])))
    assert kept.sizes["curve"] == before.sizes["curve"] < after.sizes["curve"]
    used = before["used"] > 0
    compared = 0
    for name, old in before.data_vars.items():
        if "curve" not in old.dims:
            assert name == "typical_error", "the unit of errors without an upper limit, which these have"
            continue
        new = kept[name].isel({dim: slice(before.sizes[dim]) for dim in old.dims if dim != "curve"})
        if "slot" in old.dims:
            old, new = old.where(used, 0), new.where(used.values, 0)
        np.testing.assert_array_equal(new.values, old.values, err_msg=str(name))
        compared += 1
    assert compared > 10


def test_batches_that_measure_different_things_do_not_mix(project, first):
    values = pd.DataFrame({"slice": ["east"] * 2, "labels": [100, 200], "value": [0.8, 0.85], "stderr": [0.01] * 2})
    project.add(first, batch="counts")
    with pytest.raises(InputError, match="measure different things"):
        project.add(lv.read_runs(values, metric="accuracy"), batch="values")
    assert kinds(project).count("batch") == 1


def test_values_of_ones_own_metric_come_back(project):
    table = pd.DataFrame({"slice": ["a"] * 2, "labels": [100, 200], "value": [3.0, 2.0], "stderr": [0.1] * 2})
    runs = lv.read_runs(table, metric="regret", direction="lower", bounds=(0.0, float("inf")))
    project.add(runs, batch="one")
    np.testing.assert_array_equal(project.runs[names.ERROR], runs[names.ERROR])
    assert project.runs.attrs[names.METRIC] == "regret"


def test_runs_of_another_protocol_are_refused(project, first):
    protocol = lv.Protocol(replicates=2)
    (project.folder / "protocol.toml").write_text(protocol.to_toml())
    configure(project, 'protocol = "protocol.toml"\n' + QUIET)
    with pytest.raises(InputError, match="runs of protocol ''"):
        project.add(first, batch="a")
    ours = first.assign({names.PROTOCOL: (names.RUN, np.full(first.sizes[names.RUN], protocol.id, dtype=object))})
    path = lv.write_runs(ours.assign_attrs(protocol=protocol.to_toml()), project.folder.parent / "a.csv")
    assert kinds(project.add(path)).count("batch") == 1
    assert project.ledger.records("batch")[0].content[names.PROTOCOL] == protocol.to_toml()


def test_a_configuration_cannot_point_outside(project, first):
    configure(project, 'protocol = "../../protocol.toml"\n')
    with pytest.raises(InputError, match="outside the project"):
        project.add(first, batch="a")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_ids_that_no_log_could_show(project, first, name):
    with pytest.raises(InputError, match="printable"):
        project.add(first, batch=name)


def test_hostile_ids_are_only_text(project, first):
    name = "../../etc/<script>'; DROP TABLE records"
    project.add(first, batch=name)
    assert project.ledger.records("batch")[0].content[names.BATCH] == name
    assert len(project.verify()) == 64


# --- refit ----------------------------------------------------------------------------------------


def test_a_refit_is_a_joint_fit_of_everything(project, sampler, first, second):
    configure(project, QUIET + "[fit]\nrandom_seed = 3\ndraws = 500\n[priors.churn]\ndistribution='logitnormal'\n"
              "center=0.5\nspread=1.0\n[labels_now]\neast = 9000\n")  # fmt: skip
    project.add(first, batch="a").add(second, batch="b").refit(progress=False)
    asked = sampler.calls[0]
    assert asked["runs"].identical(project.runs)
    assert (asked["random_seed"], asked["draws"], asked["labels_now"]) == (3, 500, {"east": 9000})
    assert asked["priors"]["churn"].center == 0.5
    assert asked["priors"]["churn"].source == "given by the user"


def test_nothing_new_means_no_sampling_and_no_record(project, sampler, first):
    result = project.add(first, batch="a").refit(progress=False)
    before = project.history()
    again = project.refit(progress=False)
    assert (result.new, again.new, len(sampler.calls)) == (True, False, 1)
    assert (again.fit, again.exit_code) == (result.fit, 0)
    pd.testing.assert_frame_equal(project.history(), before)


@pytest.mark.parametrize(
    "change",
    ["[fit]\nrandom_seed = 1", "[fit]\ndraws = 900", "[labels_now]\neast = 20000",
     "[priors.churn]\ndistribution = 'logitnormal'\ncenter = 0.1\nspread = 1.0"],
)  # fmt: skip
def test_what_decides_the_draws_calls_for_a_new_fit(project, sampler, first, change):
    old = project.add(first, batch="a").refit(progress=False)
    configure(project, QUIET + change)
    new = project.refit(progress=False)
    assert new.new
    assert new.fit != old.fit
    configure(project, QUIET)
    back = project.refit(progress=False)
    assert (back.fit, back.published, len(sampler.calls)) == (old.fit, old.fit, 2), "what was fitted before is at hand"


def test_new_code_calls_for_a_new_fit(fitted, sampler, monkeypatch):
    monkeypatch.setattr("labelvalue.operate.refit.refit.code_version", lambda: code_version() | {"source": "other"})
    assert fitted.refit(progress=False).new


def test_what_decides_no_draw_calls_for_none(fitted, sampler):
    configure(fitted, QUIET + "[triggers]\nsurprise = 0.5\n")
    assert not fitted.refit(progress=False).new


@pytest.mark.parametrize("verdict", ["flagged", "refused"])
def test_what_does_not_pass_the_gate_is_recorded_and_not_published(project, sampler, first, second, verdict):
    good = project.add(first, batch="a").refit(progress=False)
    sampler.verdict = verdict
    bad = project.add(second, batch="b").refit(progress=False)
    assert (bad.verdict, bad.exit_code, bad.published, bad.state) == (verdict, 2, good.fit, None)
    assert project.ledger.records("fit")[-1].content["reasons"] == ["a verdict given by hand, for tests"]
    assert project.published.runs.sizes[names.RUN] == first.sizes[names.RUN]
    assert project.refit(progress=False).exit_code == 2, "the same state, the same exit code"
    sampler.verdict = "ok"
    configure(project, QUIET + "[fit]\nrandom_seed = 1\n")
    mended = project.refit(progress=False)
    assert (mended.exit_code, mended.published) == (0, mended.fit)


def test_without_a_batch_there_is_nothing_to_fit(project):
    with pytest.raises(InputError, match="no batch yet"):
        project.refit(progress=False)


@pytest.mark.parametrize("error", [RuntimeError("chain 2 died"), MemoryError(), KeyboardInterrupt()])
def test_a_fit_that_fails_is_recorded_and_leaves_the_rest(project, sampler, first, second, error):
    good = project.add(first, batch="a").refit(progress=False)
    project.add(second, batch="b")
    sampler.error = error
    with pytest.raises(type(error)):
        project.refit(progress=False)
    assert type(error).__name__ in project.ledger.records("failure")[-1].content["why"]
    assert len(list((project.folder / "fits").iterdir())) == 1
    sampler.error = None
    result = project.refit(progress=False)
    assert (result.new, result.published != good.fit) == (True, True)


def test_a_fit_made_again_has_the_same_draws(fitted, sampler):
    assert fitted.refit(again=True, progress=False).reproduced is True
    sampler.seed = 2
    assert fitted.refit(again=True, progress=False).reproduced is False
    made = [record.content for record in fitted.ledger.records("check") if record.content["of"] == "reproduction"]
    assert [content["same"] for content in made] == [True, False]


def test_the_page_is_that_of_the_published_fit(project, sampler, first):
    configure(project, "[report]\nbudgets = [100]\n")
    result = project.add(first, batch="a").refit(progress=False)
    page = project.folder / "reports" / f"{result.fit}.html"
    assert result.page == str(page)
    assert "scorecard: no forecast scored yet" in page.read_text()
    page.unlink()
    assert not project.refit(progress=False).new
    assert page.read_text().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_costs_no_fit(project, sampler, first, monkeypatch):
    configure(project, "")

    def broken(*args, **settings):
        raise StorageError("reports: gone. Fix: make it again.")

    monkeypatch.setattr("labelvalue.report.render.html.write_report", broken)
    project.add(first, batch="a")
    with pytest.raises(StorageError, match="gone"):
        project.refit(progress=False)
    monkeypatch.undo()
    assert project.published is not None
    assert project.ledger.records("failure") == []


# --- the folder of a fit --------------------------------------------------------------------------


def test_the_manifest_of_a_fit_says_its_layout_and_with_which_versions_it_was_made(fitted):
    record = fitted.ledger.records("fit")[0]
    folder = fitted.folder / "fits" / record.content["fit"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"key", "verdict", "schema", "libraries", "files"} == set(manifest)
    assert (manifest["key"], manifest["schema"], manifest["verdict"]) == (record.content["key"], 1, "ok")
    for name in ("labelvalue", "pymc", "nutpie", "numpy"):
        assert manifest["libraries"][name] == version(name)
    for name, about in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert about == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_what_lies_in_a_project_is_what_the_page_on_formats_says(fitted, root):
    """Every file that a project makes is in the tree of the page, and the page names none that it does not make."""
    (fitted.folder / "case.toml").write_text(CASE)
    configure(fitted, f"{WITH_CASE}[report]\nbudgets = [500]\n")
    fitted.refit(progress=False)
    (tree,) = re.findall(
        r"^DIR/\n(.*?)^```", (root / "docs/reference/formats.md").read_text(), re.MULTILINE | re.DOTALL
    )
    told, above = set(), ""
    for line in tree.splitlines():
        name, deep = line.split()[0], line.startswith("    ")
        above = above if deep else name if name.endswith("/") else ""
        if not name.endswith("/"):
            told.add(above + name)
    there = set()
    for path in fitted.folder.rglob("*"):
        if path.is_file():
            where = re.sub(PATTERN.pattern, "ID", path.relative_to(fitted.folder).as_posix())
            there.add(re.sub("[0-9a-f]{64}", "SHA256", where))
    assert there == told - {"protocol.toml", "lock.json"}, "there without being named by settings, and at rest"


def test_a_fit_in_a_newer_layout_is_refused_by_its_number(fitted, monkeypatch):
    monkeypatch.setattr("labelvalue.operate.store.folders.NEWEST", 0)
    with pytest.raises(StorageError, match="has layout 1, and this version knows up to 0"):
        fitted.published  # noqa: B018


# --- decisions and the trail ----------------------------------------------------------------------


def test_a_decision_is_on_the_published_fit(project, sampler, first):
    with pytest.raises(InputError, match="no fit is published"):
        project.decide("buy", approver="A. Lovelace")
    result = project.add(first, batch="a").refit(progress=False)
    project.decide("buy", approver="A. Lovelace", comment="2,000 nurses")
    content = project.ledger.records("decision")[0].content
    assert (content["fit"], content["verdict"], content["approver"]) == (result.fit, "buy", "A. Lovelace")
    with pytest.raises(InputError, match="'approver'"):
        project.decide("buy", approver=" ")


def test_history_says_what_happened(fitted, sampler, second):
    fitted.add(second, batch="b").decide("wait", approver="B", comment="price")
    table = fitted.history()
    assert table["number"].tolist() == list(range(1, len(table) + 1))
    assert table["kind"].tolist() == ["project", "settings", "batch", "check", "fit", "forecast", "batch",
                                      "forecast", "score", "check", "decision"]  # fmt: skip
    assert table["what"].str.len().min() > 10
    assert "approved by B: price" in table["what"].iloc[-1]
    assert table["by"].tolist() == [f"{getpass.getuser()}@{platform.node()}"] * len(table)
    times = pd.to_datetime(table["time"], utc=True)
    assert times.is_monotonic_increasing
    assert pd.Timedelta(0) <= pd.Timestamp.now("UTC") - times.iloc[-1] < pd.Timedelta(minutes=1)


def test_a_project_prints_where_it_stands(decided, tmp_path):
    assert str(Project.create(tmp_path / "new")) == "Project new: 0 batches, 0 runs"
    head, *rows = str(decided).splitlines()
    assert re.fullmatch(r"Project project: 1 batch, [\d,]+ runs", head)
    told = decided.history().drop_duplicates("kind", keep="last").set_index("kind")["what"]
    words = " ".join(" ".join(rows).split())
    assert all(told[kind] in words for kind in ("batch", "fit", "advice"))
    assert " of 1 batch, ok, published" in words
    assert len(rows) < 12
    shown = decided._repr_html_()
    assert shown.count("<tr>") == 3
    assert html.escape(told["fit"]) in shown


def test_history_names_the_batches_that_a_fit_was_made_from(fitted, second):
    fitted.add(second, batch="b").refit(progress=False)
    configure(fitted, QUIET + "[fit]\nrandom_seed = 7\n")
    fitted.refit(progress=False)
    fitted.add(testing.fake_runs(seed=1, sizes=(32_000,), replicates=1), batch="b", supersede=True).refit(
        progress=False
    )
    table = fitted.history()
    said = table["what"][table["kind"] == "fit"]
    counts = [int(re.search(r"of (\d+) batch", text)[1]) for text in said]
    named = [re.search(r"new in it: (.*)", text)[1] for text in said]
    assert list(zip(counts, named, strict=True)) == [(1, "'a'"), (2, "'b'"), (2, "nothing"), (2, "'b'")]


def test_the_export_holds_the_whole_trail(project, sampler, first):
    configure(project, QUIET + "[[assumptions]]\nid='x'\ntext='t'\nsource='s'\nvalue=3\nif_wrong='w'\n")
    project.add(first, batch="a").refit(progress=False)
    trail = project.export()
    assert trail["head"] == trail["records"][-1]["digest"] == project.verify()
    assert len(trail["records"]) == len(project.history())
    assert trail["assumptions"][0]["id"] == "x"
    assert trail["configuration"].startswith("[report]")


# --- an old batch that counts for less ------------------------------------------------------------


def test_p3_a_discount_is_explicit_recorded_and_a_step_of_the_waterfall(running, sampler):
    running.refit(progress=False)
    assert sampler.calls[-1]["discount"] == {}
    configure(running, QUIET + '[fit.discount]\n"a" = 0.5\n')
    result = running.refit(progress=False)
    assert result.new
    assert sampler.calls[-1]["discount"] == {"a": 0.5}
    spec = json.loads((running.folder / "fits" / result.fit / "spec.json").read_text())
    assert spec["fit"]["discount"] == {"a": 0.5}
    before, after = (record.content["inputs"] for record in running.ledger.records("fit")[-2:])
    assert {part for part in before if before[part] != after[part]} == {"fit"}
    assert set(running.explain(budget=500, progress=False)["step"]) == {"settings"}


def test_p3_a_discount_of_nothing_or_of_more_than_all_is_refused(project):
    configure(project, QUIET + '[fit.discount]\n"a" = 0\n"b" = 1.2\n')
    with pytest.raises(InputError) as caught:
        project.configuration  # noqa: B018
    assert [problem.column for problem in caught.value.problems] == ["fit.discount.a", "fit.discount.b"]
