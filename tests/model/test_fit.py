"""Fits on disk are what they were or are refused; arguments are judged before anything is compiled."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import Prior, StorageError, fit, load_fit, names, predict_gain, testing
from labelvalue.model.curve.observations import observe
from labelvalue.model.fitting import fitting, result

ODD = ("NA", "007", "_hidden", "$x$", "<b>", "é漢", "null", "1e5", "True", " a\u00a0b".strip())


# --- saving and loading ---------------------------------------------------------------------------


def assert_same(one, two):
    groups, others = one.tree.to_dict(), two.tree.to_dict()
    assert set(groups) == set(others)
    for name, group in groups.items():
        xr.testing.assert_equal(group, others[name])
    assert one.settings == two.settings
    assert one.model == two.model
    assert one.diagnostics == two.diagnostics
    assert one.slices.tolist() == two.slices.tolist()
    assert set(one.runs.attrs) == set(two.runs.attrs)
    assert all(np.array_equal(value, two.runs.attrs[name]) for name, value in one.runs.attrs.items())


@pytest.mark.parametrize(
    "make",
    [
        lambda: testing.fake_fit(seed=1, draws=30),
        lambda: testing.fake_fit(seed=2, draws=30, slices=ODD),
        lambda: testing.fake_fit(seed=3, draws=30, learners=("NA", "$x$"), slices=("007", "_hidden")),
        lambda: testing.fake_fit(seed=4, draws=30, verdict="refused"),
    ],
    ids=["plain", "odd slices", "odd learners", "refused"],
)
def test_what_is_loaded_is_what_was_saved(make, tmp_path):
    made = make()
    path = made.save(tmp_path / "fit.nc")
    loaded = load_fit(path)
    assert_same(loaded, made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.nc", "fit.nc.sha256"]
    xr.testing.assert_equal(predict_gain(loaded, [500]), predict_gain(made, [500]))
    assert_same(load_fit(loaded.save(tmp_path / "again.nc")), made)


def test_priors_and_flags_are_kept(fake_fit, tmp_path):
    priors = fake_fit.model.priors.replace({"churn": Prior("normal", 0.25, 2.0, meaning="é", source="my team")})
    flags = fake_fit.diagnostics.flags | {"north": (names.BORROWED, names.SHAPE_MISFIT)}
    made = dataclasses.replace(
        fake_fit,
        model=dataclasses.replace(fake_fit.model, priors=priors),
        diagnostics=dataclasses.replace(fake_fit.diagnostics, flags=flags),
    )
    loaded = load_fit(made.save(tmp_path / "fit.nc"))
    assert loaded.model.priors == priors
    assert loaded.diagnostics.flags == flags


def test_saving_again_replaces_both_files(fake_fit, tmp_path):
    path = testing.fake_fit(seed=9, draws=20).save(tmp_path / "fit.nc")
    fake_fit.save(str(path))
    assert_same(load_fit(str(path)), fake_fit)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture
def stored(fake_fit_file, tmp_path):
    """A copy that may be damaged."""
    for suffix in ("", ".sha256"):
        shutil.copy(f"{fake_fit_file}{suffix}", tmp_path / f"fit.nc{suffix}")
    return tmp_path / "fit.nc"


@pytest.mark.parametrize("percent", [0, 10, 50, 90, 99])
def test_a_file_that_was_cut_off_is_refused(percent, stored):
    content = stored.read_bytes()
    stored.write_bytes(content[: len(content) * percent // 100])
    with pytest.raises(StorageError, match=r"fit\.nc: checksum differs.*labelvalue fit"):
        load_fit(stored)


def test_any_flipped_byte_is_refused(stored):
    content = stored.read_bytes()
    for offset in np.random.default_rng(1).integers(0, len(content), 30):
        damaged = bytearray(content)
        damaged[offset] ^= 0x10
        stored.write_bytes(damaged)
        with pytest.raises(StorageError, match="checksum differs"):
            load_fit(stored)


@pytest.mark.parametrize("digest", [b"", b"garbled", b"0" * 64, b"\xff\xfe\x00", "é".encode()])
def test_a_garbled_digest_is_refused(digest, stored):
    stored.with_name("fit.nc.sha256").write_bytes(digest)
    with pytest.raises(StorageError, match="Fix: make the fit again"):
        load_fit(stored)


def test_a_missing_digest_is_refused(stored):
    stored.with_name("fit.nc.sha256").unlink()
    with pytest.raises(StorageError, match=r"fit\.nc\.sha256 cannot be read"):
        load_fit(stored)


def test_a_fit_of_a_newer_layout_is_refused(fake_fit, tmp_path, monkeypatch):
    monkeypatch.setattr(result, "SCHEMA", result.SCHEMA + 1)
    path = fake_fit.save(tmp_path / "fit.nc")
    monkeypatch.undo()
    with pytest.raises(StorageError, match=f"schema {result.SCHEMA + 1}; this one reads {result.SCHEMA}"):
        load_fit(path)


def test_another_file_with_its_digest_is_refused(tmp_path):
    path = tmp_path / "fit.nc"
    path.write_bytes(b"no netCDF at all")
    path.with_name("fit.nc.sha256").write_text(hashlib.sha256(b"no netCDF at all").hexdigest())
    with pytest.raises((StorageError, ValueError, OSError)):
        load_fit(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_fit(tmp_path / "none.nc")
    with pytest.raises(StorageError, match="cannot be read"):
        load_fit(tmp_path)


def test_a_place_that_cannot_be_written(fake_fit, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "missing" / "fit.nc", tmp_path / "file" / "fit.nc"):
        with pytest.raises(StorageError, match="cannot be written"):
            fake_fit.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_fit_and_no_leftovers(step, stored, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result.os, step, fail)
    with pytest.raises(StorageError, match="No space left on device"):
        testing.fake_fit(seed=9, draws=20).save(stored)
    monkeypatch.undo()
    assert load_fit(stored).slices.size == 4
    assert sorted(p.name for p in stored.parent.iterdir()) == ["fit.nc", "fit.nc.sha256"]


def test_as_text(fake_fit):
    assert repr(fake_fit) == "<labelvalue.Fit of model 'power_law': 4 slices, 112 runs, verdict 'ok'>"
    assert ": 1 slice, " in repr(testing.fake_fit(seed=1, slices=("a",), draws=20))


# --- arguments ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs():
    return testing.fake_runs(seed=1, sizes=(1000, 4000), replicates=1)


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    def compiled(*_, **__):
        raise AssertionError("an argument error should come before the model is compiled")

    monkeypatch.setattr(fitting.sampling, "sample", compiled)


@pytest.mark.parametrize("given", [None, "runs.csv", pd.DataFrame({"slice": ["a"]}), xr.Dataset(), xr.DataArray([1])])
def test_what_is_no_runs_table(given):
    with pytest.raises(TypeError, match="runs must be a runs table"):
        fit(given)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"nroth": 10}, r"unknown slice 'nroth'; did you mean 'north'\?"),
        ({"elsewhere": 10}, "unknown slice 'elsewhere'"),
        ({7: 10}, "unknown slice 7"),
        ({"north": -1}, "'north' must be a whole number ≥ 0, .* got -1"),
        ({"north": 10.5}, "got 10.5"),
        ({"north": float("nan")}, "got nan"),
        ({"north": float("inf")}, "got inf"),
        ({"north": True}, "got True"),
        ({"north": "12"}, "got '12'"),
        ({"north": "many"}, "got 'many'"),
        ({"north": None}, "got None"),
    ],
)
def test_labels_now_that_make_no_sense(now, message, runs):
    with pytest.raises(ValueError, match=message):
        fit(runs, labels_now=now, progress=False)


@pytest.mark.parametrize(
    ("setting", "value"), [("draws", 99), ("tune", 0), ("chains", 1), ("random_seed", -1), ("draws", -1000)]
)
def test_settings_that_are_too_small(setting, value, runs):
    with pytest.raises(ValueError, match=rf"{setting} must be at least \d+, got {value}"):
        fit(runs, **{setting: value})


@pytest.mark.parametrize("setting", ["draws", "tune", "chains", "random_seed"])
@pytest.mark.parametrize("value", ["1000", 1000.0, True, None])
def test_settings_of_the_wrong_type(setting, value, runs):
    with pytest.raises(TypeError, match=f"{setting} must be a whole number"):
        fit(runs, **{setting: value})


def test_unknown_names(runs):
    with pytest.raises(ValueError, match=r"unknown model 'powerlaw'; did you mean 'power_law'\?"):
        fit(runs, "powerlaw")
    with pytest.raises(ValueError, match=r"unknown prior 'chrun'; did you mean 'churn'\?"):
        fit(runs, priors={"chrun": Prior("normal", 0.0, 1.0)})
    with pytest.raises(TypeError, match="model must be"):
        fit(runs, 5)


def test_good_arguments_reach_the_sampler(runs):
    with pytest.raises(AssertionError, match="before the model is compiled"):
        fit(runs, labels_now={"north": 10, "south": 0, "west": np.int64(5)}, draws=np.int64(100), progress=False)


# --- the verdict ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [names.MOSTLY_ASSUMPTION, names.BORROWED])
def test_a_flag_of_every_curve_is_a_flag_of_the_fit(flag, fake_fit):
    def judged(verdict, *flags):
        return fitting._judge_flags(dataclasses.replace(fake_fit.diagnostics, verdict=verdict), flags)

    assert judged("ok", (flag,), ("x", flag)).verdict == "flagged"
    assert judged("ok", (flag,), ("x", flag)).reasons == (f"every slice is flagged: {flag}",)
    assert judged("ok", (flag,), ()).verdict == "ok"
    assert judged("refused", (flag,)).verdict == "refused"
    assert judged("ok").verdict == "ok"


def test_slices_that_do_not_fit_are_a_reason_of_the_fit(fake_fit):
    def judged(verdict, misfit):
        return fitting._judge_flags(dataclasses.replace(fake_fit.diagnostics, verdict=verdict), [()], misfit)

    assert judged("ok", "").verdict == "ok"
    assert judged("ok", "2 of 4 slices").verdict == "flagged"
    assert judged("ok", "2 of 4 slices").reasons == ("2 of 4 slices",)
    assert judged("refused", "2 of 4 slices").verdict == "refused"


# --- now ------------------------------------------------------------------------------------------


def test_now_is_the_slices_whatever_learner_saw_most_of_it(table):
    rows = [("a", n, 9, 99, {"learner": "x", "other_labels": 3 * n}) for n in (100, 800)]
    rows += [("a", 200, 9, 99, {"learner": "y", "other_labels": 10}), ("b", 50, 9, 99, {"learner": "x"})]
    seen = observe(table(rows))
    by_curve = list(zip(seen["slice"].values, seen["learner"].values, strict=True))
    assert by_curve == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert fitting._labels_now(None, seen).values.tolist() == [800, 800, 50, 50]
    assert fitting._other_labels_now(seen, fitting._labels_now(None, seen), {}).values[:2].tolist() == [2400, 2400]
    assert fitting._labels_now({"b": 7}, seen).values.tolist() == [800, 800, 7, 7]


def test_now_is_what_the_runs_say_there_is(table):
    """Held-out labels included, for own labels and the others'; a number that is given wins, one that was seen too."""
    rows = [("a", n, 9, 99, {"other_labels": 3 * n, "labels_now": 1000}) for n in (100, 800)]
    rows += [("b", n, 9, 99, {"other_labels": n, "labels_now": now}) for n, now in ((20, 60), (50, 70))]
    rows += [("c", 90, 9, 99, {"other_labels": 0, "labels_now": 80})]
    runs = table(rows)
    seen, recorded = observe(runs), fitting._recorded(runs)
    assert recorded == {"a": 1000, "b": 70, "c": 80}
    now = fitting._labels_now(None, seen, recorded)
    assert now.values.tolist() == [1000, 70, 90]
    assert fitting._other_labels_now(seen, now, recorded).values.tolist() == [160, 1090, 0]
    assert fitting._labels_now({"a": 7}, seen, recorded).values.tolist() == [7, 70, 90]
    assert fitting._recorded(table([row[:4] for row in rows])) == {}


def test_where_a_slice_does_not_say_how_many_labels_there_are_the_others_stand_as_they_were(table):
    rows = [("a", 100, 9, 99, {"other_labels": 40, "labels_now": 125}), ("b", 40, 9, 99, {"other_labels": 100})]
    runs = table(rows)
    seen, recorded = observe(runs), fitting._recorded(runs)
    now = fitting._labels_now(None, seen, recorded)
    assert now.values.tolist() == [125, 40]
    assert fitting._other_labels_now(seen, now, recorded).values.tolist() == [40, 100]


def test_a_slice_without_labels_stands_at_none(table):
    seen = observe(table([("a", 0, 9, 99, {"other_labels": 50}), ("b", 50, 9, 99)]))
    assert fitting._labels_now(None, seen).values.tolist() == [0, 50]
