"""More rules on what comes from outside: readers, models, templates, paths, time, names of people, versions."""

import ast
import dataclasses
import gzip
import json
import os
import pickle
import re
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

import labelvalue as lv
from labelvalue import InputError, StorageError, cli, names, read_case, read_protocol
from labelvalue.label_quality import LabelNoise
from labelvalue.model.annotators.judgements import count_judgements
from labelvalue.model.hierarchy.specification import get_model, model_source
from labelvalue.model.sampling import sampling
from labelvalue.operate.store.folders import inside
from labelvalue.quantities import Interval
from labelvalue.report.numbers.exports import summary_text
from labelvalue.report.render import html
from tests.faults.test_apart import fits_by, lonely  # noqa: F401
from tests.faults.test_security import HOSTILE, Marked
from tests.fits import altered
from tests.observe.test_annotations import DOCCANO, EVENTS, LABEL_STUDIO, PRODIGY
from tests.operate.conftest import CASE, QUIET, configure

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("label-studio", "argilla", "doccano", "prodigy", "cvat", "csv")


# --- code in data files ---------------------------------------------------------------------------

READERS = {
    "runs.csv": lv.read_runs,
    "runs.parquet": lv.read_runs,
    "fit.nc": lv.load_fit,
    "case.toml": read_case,
    "protocol.toml": read_protocol,
    "annotations.parquet": lv.label_quality.load_annotations,
    "annotations.csv": lv.label_quality.load_annotations,
    "dump.csv": lv.read_mlflow,
    "dump.parquet": lv.read_mlflow,
    "wandb_export.csv": lv.read_wandb,
    **{f"{tool}{suffix}": tool for tool in TOOLS for suffix in (".json", ".jsonl", ".zip", ".xml", ".csv")},
}


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("name", READERS)
def test_no_reader_loads_a_pickle(tmp_path, name, protocol):
    mark, path, read = tmp_path / "executed", tmp_path / name, READERS[name]
    path.write_bytes(pickle.dumps(Marked(mark), protocol))
    if name == "fit.nc":
        from labelvalue.storage import write_sealed

        write_sealed(path, path.read_bytes())
    with pytest.raises((InputError, StorageError, ValueError, OSError)):
        lv.label_quality.read_annotations(path, read) if isinstance(read, str) else read(path)
    assert not mark.exists()


def test_a_pickle_in_the_place_of_a_table_s_protocol_is_not_loaded(tmp_path, first):
    mark, path = tmp_path / "executed", lv.write_runs(first, tmp_path / "runs.csv")
    (tmp_path / "runs.csv.protocol.toml").write_bytes(pickle.dumps(Marked(mark)))
    assert "left aside" in lv.read_runs(path).attrs["notes"]
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".csv.zst"])
def test_a_packed_table_is_not_unpacked(tmp_path, suffix):
    """pandas would, to whatever it comes to."""
    packed = gzip.compress(b"item,label\n" + b"1,yes\n" * 1000)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(packed)
    with pytest.raises(InputError, match="not a supported format"):
        lv.label_quality.read_annotations(path, "csv")


def test_a_parquet_table_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("labelvalue.observe.table.files.MAX_BYTES", 10_000)
    path = tmp_path / "a.parquet"
    pd.DataFrame({"item": [str(i) for i in range(5000)], "label": "x"}).to_parquet(path)
    for read in (
        lv.label_quality.load_annotations,
        lambda p: lv.label_quality.read_annotations(p, "csv"),
        lv.read_mlflow,
        lv.read_runs,
    ):
        with pytest.raises(InputError, match="unpacked are over the limit"):
            read(path)


# --- models ---------------------------------------------------------------------------------------


def test_a_case_file_has_no_place_for_a_model(tmp_path):
    path = tmp_path / "case.toml"
    path.write_text('model = "os:system"\n' + CASE)
    with pytest.raises(InputError, match="model"):
        read_case(path)


def test_ledger_and_page_say_which_code_a_model_is(fitted, tmp_path, fake_fit):
    source = model_source(get_model("power_law"))
    assert source["entry_point"] == "labelvalue_models.power_law:MODEL"
    assert source["package"].startswith("labelvalue ")
    assert len(source["file_sha256"]) == 64
    assert fitted.ledger.records("fit")[0].content["model"] == {"name": "power_law"} | source
    page = lv.write_report(fake_fit, path=tmp_path / "page.html", budgets=[500]).read_text("utf-8")
    assert source["entry_point"] in page
    assert source["file_sha256"] in page


def test_another_file_behind_a_model_s_name_is_another_fit(running, monkeypatch, tmp_path):
    """The key of a fit holds the file of a user's model too, so that an edited one is fitted again."""
    running.refit(progress=False)
    assert not running.refit(progress=False).new
    own = tmp_path / "own_model.py"
    own.write_text("edited = True\n")
    monkeypatch.setattr(sys.modules["labelvalue_models.power_law"], "__file__", str(own))
    assert running.refit(progress=False).new


def test_an_object_given_in_python_is_said_to_be_one():
    given_in_python = dataclasses.replace(get_model("power_law"), name="own")
    assert model_source(given_in_python)["entry_point"] == ""


# --- pages, pictures and templates ----------------------------------------------------------------


def test_templates_are_ours_and_escape_everything():
    """No template of a user's is taken; every environment escapes whatever a file is called."""
    made = []
    for path in sorted((ROOT / "labelvalue").rglob("*.py")):
        for node in (one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.Call)):
            called = ast.unparse(node.func)
            assert not called.endswith((".from_string", "jinja2.Template", "FileSystemLoader", "Markup")), path
            if called.endswith("Environment") and "jinja2" in called:
                made.append(path.name)
            if called == "templates":
                assert all(ast.unparse(package).startswith("'labelvalue.") for package in node.args), path
    assert made == ["html.py"]
    environment = html.templates("labelvalue.operate")
    assert environment.autoescape is True
    assert {one.package_name for one in environment.loader.loaders} == {"labelvalue.report", "labelvalue.operate"}
    raw = [
        (path.name, found)
        for path in (ROOT / "labelvalue").rglob("*.j2")
        for found in re.findall(r"{{([^}]*\|\s*safe[^}]*)}}|{%\s*autoescape", path.read_text(encoding="utf-8"))
    ]
    assert sorted(found.strip() for _, found in raw) == [
        "what_if.data | safe",
        "what_if.digest | safe",
        "what_if.script | safe",
    ], "JSON made safe, a script of ours, and its digest"


@pytest.mark.rendered
def test_pictures_of_hostile_names_hold_nothing_that_acts(tmp_path):
    fit = lv.testing.fake_fit(seed=1, slices=tuple(t for t in HOSTILE if t.isprintable())[:12], draws=50)
    lv.write_report(fit, path=tmp_path / "report.html", pictures=tmp_path, budgets=[500])
    paths = [*tmp_path.glob("*.svg")]
    assert paths
    for path in paths:
        for element in ElementTree.fromstring(path.read_bytes()).iter():
            tag = element.tag.rpartition("}")[2]
            assert tag not in {"script", "foreignObject", "a", "image", "iframe", "animate", "set", "handler"}, (
                path.name
            )
            for name, value in element.attrib.items():
                plain = name.rpartition("}")[2]
                assert not plain.startswith("on"), path.name
                assert plain != "href" or value.startswith("#"), path.name


# --- paths ----------------------------------------------------------------------------------------

parts = st.sampled_from(["..", ".", "a", "", "~", "C:", "\\..", "..\\", "…", "a b", "%2e%2e", "link"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=6
)


@given(st.lists(parts, min_size=1, max_size=6), st.sampled_from(["", "/", "//"]))
@settings(max_examples=300, deadline=None)
def test_generated_names_lead_nowhere_outside(tmp_path_factory, names_of_parts, before):
    base = tmp_path_factory.getbasetemp() / "inside"
    base.mkdir(exist_ok=True)
    link = base / "link"
    if not link.is_symlink():
        link.symlink_to(base.parent)
    try:
        found = inside(base, before + "/".join(names_of_parts))
    except (InputError, OSError):
        return
    assert found.is_relative_to(base.resolve())


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fit_that_takes_too_long_is_refused(lonely, monkeypatch, capfd):  # noqa: F811
    configure(lonely, QUIET + "[limits]\nminutes = 0.01\n")
    fits_by(monkeypatch, lambda runs, spec, progress, checkpoint: time.sleep(60))
    before = lonely.published.runs.sizes[names.RUN]
    start = time.monotonic()
    assert cli.main(["refit", str(lonely.folder)]) == 2
    assert time.monotonic() - start < 30
    told = " ".join(capfd.readouterr().out.split())
    assert "longer than the 0.01 minutes" in told
    assert "raise limits.minutes" in told
    assert lonely.published.runs.sizes[names.RUN] == before
    lonely.verify()


# --- names of people ------------------------------------------------------------------------------

PERSON = "m.curie@example.org"
EXPORTS = {
    "label-studio": ("a.json", LABEL_STUDIO.replace("b@example.org", PERSON).replace("3,", f'"{PERSON}",', 1)),
    "argilla": ("a.json", json.dumps([{"id": "1", "q.responses": ["yes"], "q.responses.users": [PERSON]}])),
    "doccano": (f"{PERSON}.jsonl", DOCCANO),
    "prodigy": ("a.jsonl", PRODIGY.replace("mail-ana", PERSON)),
    "cvat": ("events.csv", EVENTS.replace("ana@example.org", PERSON).replace(",ana,", f",{PERSON},")),
    "csv": ("a.csv", f"item,annotator,label\n1,{PERSON},yes\n2,{PERSON},no\n"),
}


@pytest.mark.parametrize("tool", EXPORTS)
@pytest.mark.parametrize("keep", [False, True])
def test_an_address_of_an_annotator_is_in_no_file_and_no_log(tmp_path, tool, keep, capfd):
    file, text = EXPORTS[tool]
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / file).write_text(text)
    out = tmp_path / "made" / "annotations.csv"
    out.parent.mkdir()
    options = ["--keep-annotators"] if keep else []
    code = cli.main(["import", tool, str(tmp_path / "export" / file), "--out", str(out), *options])
    said = capfd.readouterr()
    assert code == 0, said.err
    everything = [said.out.encode(), said.err.encode(), *(p.read_bytes() for p in out.parent.rglob("*") if p.is_file())]
    found = any(PERSON.encode() in content for content in everything)
    if keep:
        assert "names of annotators are kept" in said.out
    else:
        assert not found
        salt = out.with_name(".annotations.salt")
        assert salt.stat().st_mode & 0o077 == 0
        assert salt.read_text() not in said.out + out.read_text()


@pytest.fixture
def campaign(tmp_path):
    """Judgements of people with addresses, imported, and how often each of them is wrong, as if estimated."""
    people = [f"{name}@example.org" for name in ("curie", "noether", "lovelace")]
    rows = [f"{item},{who},{'yes' if item % 3 else 'no'},{cell}"
            for cell in ("east", "west") for item in range(30) for who in people]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(["item,annotator,label,country", *rows]))
    annotations = lv.label_quality.read_annotations(tmp_path / "own.csv", "csv", slice="country")
    judgements, items = count_judgements(annotations)
    fit = lv.testing.fake_fit(seed=1, slices=("east", "west"))
    wrong = 0.0 * fit.posterior[names.CURVE_ELASTICITY]
    by_person = xr.DataArray([0.05, 0.1, 0.3], coords={names.ANNOTATOR: judgements[names.ANNOTATOR].values})
    posterior = xr.Dataset(
        {names.LABEL_NOISE: wrong + 0.15, names.ANNOTATOR_NOISE: wrong.isel(slice=0, drop=True) + by_person}
    )
    return people, fit, LabelNoise(posterior, items, fit.diagnostics, posterior, judgements)


def test_no_report_tells_how_well_a_person_labels(campaign, tmp_path):
    """Whoever estimates people beside slices, and hands all of it on with the fit: reports know slices alone."""
    people, fit, noise = campaign
    hashes = [str(name) for name in noise.annotator_noise[names.ANNOTATOR].values]
    assert len(hashes) == 3
    assert not set(hashes) & set(people), "names are hashed on import"
    estimated = noise.posterior.rename({names.LABEL_NOISE: names.EVALUATION_NOISE})
    fit = altered(fit, posterior=fit.posterior.merge(estimated))
    assert names.ANNOTATOR in fit.posterior.coords
    case = lv.Case(
        costs={"price_per_label": 0.1},
        value={"per_error_point": 400},
        currency="USD",
        label_noise={name: Interval(low=0.1, high=0.2) for name in ("east", "west")},
        interventions=(lv.interventions.Consensus(3, name="three"),),
    )
    plan = lv.decide(fit, case, max_labels=1000)
    put = tmp_path / "told"
    (put / "pictures").mkdir(parents=True)
    (put / "tables").mkdir()
    places = {"numbers": put / "page.json", "tables": put / "tables", "pictures": put / "pictures"}
    lv.write_report(plan, path=put / "page.html", budgets=[500], **places)
    written = [path for path in put.rglob("*") if path.is_file()]
    assert len(written) > 10
    told = {path.name: path.read_text("utf-8") for path in written}
    told["summary"] = summary_text(json.loads(told["page.json"]))
    assert "wrong labels" in told["page.html"], "what is known of slices is said"
    for name, text in told.items():
        assert not [hidden for hidden in (*hashes, *people, names.ANNOTATOR_NOISE) if hidden in text], name


# --- versions -------------------------------------------------------------------------------------


@pytest.fixture
def checked():
    sampling.check_libraries.cache_clear()
    yield sampling.check_libraries
    sampling.check_libraries.cache_clear()


@pytest.mark.parametrize("other", ["7.0.0", "7.0.0rc1", "6.3.9", "5"])
def test_another_major_version_of_a_sampler_is_refused(monkeypatch, checked, other):
    real = sampling.version
    monkeypatch.setattr(sampling, "version", lambda name: other if name == "pymc" else real(name))
    with pytest.raises(
        InputError, match=rf"pymc.*version {re.escape(other)} is installed.*needs.*Fix: install 'pymc<7"
    ):
        lv.fit(lv.testing.fake_runs(seed=1), progress=False)


@pytest.mark.parametrize("fine", ["6.4", "6.4.0", "6.99.1", "6.5.0rc1"])
def test_what_is_asked_for_is_taken(monkeypatch, checked, fine):
    real = sampling.version
    monkeypatch.setattr(sampling, "version", lambda name: fine if name == "pymc" else real(name))
    checked()


def test_the_pins_are_of_versions_that_are_taken(monkeypatch, checked):
    """constraints.txt holds what is tested; nothing in it may be refused."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert "pymc" in pins
    real = sampling.version
    monkeypatch.setattr(sampling, "version", lambda name: pins.get(name) or real(name))
    checked()
