"""Finished chains are kept, taken again only where they are the same chains, and change no draw."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from labelvalue import StorageError
from labelvalue.model import chains, continuing
from labelvalue.model.chains import ChainFolder, KeptChains
from labelvalue.model.sampling import SamplerSettings, compile_model, sample_once

SETTINGS = SamplerSettings(draws=100, tune=100, chains=4, random_seed=7)


@pytest.fixture(scope="module")
def compiled():
    """A model of five parameters whose draws now and then diverge, so that messages are among what is kept."""
    import pymc as pm
    import pytensor

    cache = Path(str(pytensor.config.base_compiledir))
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    with pm.Model(coords={"curve": ["a", "b", "ü"]}) as model:
        data = pm.Data("data", np.array([0.1, 0.5, -0.3]), dims="curve")
        scale = pm.HalfNormal("scale")
        level = pm.Normal("level", 0.0, scale, dims="curve")
        pm.Normal("seen", level, 0.5, observed=data, dims="curve")
        pm.Deterministic("twice", 2 * level, dims="curve")
    made = compile_model(model)
    assert cache.stat().st_mode & 0o077 == 0, "what is compiled is this user's alone, outside projects too"
    return made


@pytest.fixture(scope="module")
def whole(compiled):
    return sample_once(compiled, SETTINGS)


@pytest.fixture
def written(monkeypatch):
    """Which chains were sampled and kept, in order."""
    seen, keep = [], KeptChains.keep
    monkeypatch.setattr(KeptChains, "keep", lambda self, chain, tree: (seen.append(chain), keep(self, chain, tree)))
    return seen


def assert_same(one, other):
    for group in ("posterior", "sample_stats"):
        xr.testing.assert_identical(one[group].to_dataset().drop_attrs(), other[group].to_dataset().drop_attrs())
        for name, values in one[group].to_dataset().items():
            assert values.dtype == other[group][name].dtype, name
    assert one["posterior"]["curve"].values.tolist() == ["a", "b", "ü"]


def files(folder):
    return sorted(folder.glob("*.nc"), key=lambda path: path.stem[-1])


def test_keeping_chains_changes_no_draw_and_all_are_kept(compiled, whole, tmp_path, written):
    folder, told = tmp_path / "parts" / "chains", []
    kept = ChainFolder(folder, told.append)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert_same(sample_once(compiled, SETTINGS, checkpoint=kept), whole)
    assert sorted(written) == [0, 1, 2, 3]
    assert [path.stem[-2:] for path in files(folder)] == ["-0", "-1", "-2", "-3"]
    messages = whole["sample_stats"]["divergence_message"].values
    assert len({type(message) for message in messages.ravel()}) == 2, "some draws diverge, and say why"
    del written[:]
    assert_same(sample_once(compiled, SETTINGS, checkpoint=kept), whole)
    assert written == [], "nothing is sampled again"
    assert told == ["4 of 4 chains were finished before"]


@pytest.mark.parametrize("lost", [{0}, {3}, {2, 3}, {0, 1, 3}])
def test_the_chains_that_are_missing_are_sampled_alone_with_the_same_draws(compiled, whole, tmp_path, written, lost):
    sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path))
    del written[:]
    for chain in lost:
        files(tmp_path)[chain].with_suffix(".nc.sha256").unlink()
    assert_same(sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path)), whole)
    assert {*written} == lost


def spoil(path, how):
    content = path.read_bytes()
    if how == "flipped":
        path.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        from labelvalue.storage import write_sealed

        write_sealed(path, b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.")


@pytest.mark.parametrize("how", ["flipped", "cut", "another file"])
def test_a_spoilt_chain_is_sampled_again(compiled, whole, tmp_path, written, how):
    sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path))
    del written[:]
    spoil(files(tmp_path)[1], how)
    assert_same(sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path)), whole)
    assert written == [1]


def test_a_chain_under_another_name_is_not_taken(compiled, tmp_path):
    sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path))
    kept = KeptChains(tmp_path, files(tmp_path)[0].name[:32] + "0" * 32)
    assert kept.find(0) is None, "the name is the beginning of the key, the file holds all of it"


@pytest.mark.parametrize(
    "other", [{"random_seed": 8}, {"draws": 101}, {"tune": 101}, {"target_accept": 0.9}, {"adaptation": "diag"}]
)
def test_other_settings_have_chains_of_their_own(compiled, tmp_path, written, other):
    sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path))
    del written[:]
    changed = dataclasses.replace(SETTINGS, **other)
    fresh = sample_once(compiled, changed)
    assert_same(sample_once(compiled, changed, checkpoint=ChainFolder(tmp_path)), fresh)
    assert sorted(written) == [0, 1, 2, 3]


def key(folder, compiled, **settings):
    asked = {"draws": 100, "tune": 100, "chains": 4, "seed": 7, "target_accept": 0.95, "adaptation": "low_rank"}
    asked |= {"progress_bar": False, "save_warmup": False} | settings
    first = continuing.run_chains(compiled, asked | continuing.FIRST)
    return ChainFolder(folder).chains(first, asked).key


def test_other_data_and_other_versions_have_chains_of_their_own(compiled, tmp_path, monkeypatch):
    mine = key(tmp_path, compiled)
    assert key(tmp_path, compiled) == mine
    assert key(tmp_path, compiled, progress_bar=True) == mine
    assert key(tmp_path, compiled.with_data(data=np.array([0.1, 0.5, np.nextafter(-0.3, 0.0)]))) != mine
    monkeypatch.setattr(chains, "version", lambda name: "99")
    assert key(tmp_path, compiled) != mine


def test_a_sampler_that_tells_chains_apart_in_another_way_samples_all(compiled, whole, tmp_path, written, monkeypatch):
    """Were the wrong chain kept from starting, it would be noticed, and nothing that was kept is used."""
    sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path))
    files(tmp_path)[0].unlink()
    numbers = continuing._numbers
    for wrong in (lambda *given: numbers(*given)[::-1], lambda *given: ()):
        del written[:]
        monkeypatch.setattr(continuing, "_numbers", wrong)
        assert_same(sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path)), whole)
        assert sorted(written) == [0, 1, 2, 3]
        files(tmp_path)[0].unlink()


def test_no_room_for_a_chain_is_a_warning(compiled, whole, tmp_path, monkeypatch):
    def full(path, content):
        raise StorageError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(chains, "write_sealed", full)
    with pytest.warns(RuntimeWarning, match="chain is not kept: .*No space left"):
        assert_same(sample_once(compiled, SETTINGS, checkpoint=ChainFolder(tmp_path)), whole)


def test_a_folder_that_cannot_be_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Fix: give another folder"):
        ChainFolder(tmp_path / "file" / "chains")


@pytest.mark.parametrize("checkpoint", [False, True])
def test_ctrl_c_ends_the_sampler(compiled, tmp_path, checkpoint):
    """nutpie would hand out the draws so far, and a fit that was to end would be judged and begun anew."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sample_once(
                compiled,
                dataclasses.replace(SETTINGS, draws=2_000_000),
                checkpoint=ChainFolder(tmp_path) if checkpoint else None,
            )
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.iterdir()) == []
