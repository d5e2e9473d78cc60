"""Finished rounds of draws are kept, taken again only where they are of the same chains, and change no draw."""

import dataclasses
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from labelvalue import StorageError
from labelvalue.model.sampling import chains, whitened
from labelvalue.model.sampling.chains import ChainFolder, KeptRounds
from labelvalue.model.sampling.diagnostics import SamplerSettings
from labelvalue.model.sampling.sampling import Compiled, compile_model

SETTINGS = SamplerSettings(tune=60, chains=3, random_seed=7)
ENOUGH = [200, 300]  # of rounds of at most 125: 125, 75, 100


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    import pymc as pm
    import pytensor

    cache = Path(str(pytensor.config.base_compiledir))
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    with pm.Model(coords={"curve": ["a", "b", "ü"]}) as model:
        data = pm.Data("data", np.array([0.1, 0.5, -0.3]), dims="curve")
        scale = pm.HalfNormal("scale", initval="prior")
        level = pm.Normal("level", 0.0, 1.0, dims="curve", initval=np.zeros(3))
        pm.Normal("seen", scale * level, 0.5, observed=data, dims="curve")
        pm.Deterministic("twice", 2 * level, dims="curve")
    made = compile_model(model)
    assert cache.stat().st_mode & 0o077 == 0, "what is compiled is this user's alone, outside projects too"
    return made


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Rounds are kept from the first on."""
    monkeypatch.setattr(whitened, "LONG_S", 0.0)


def kept_of(compiled, folder, settings=SETTINGS, say=lambda text: None):
    problem = compiled.whitenable
    return ChainFolder(folder, say).rounds(whitened.signature(problem), dataclasses.asdict(settings))


def sampled(compiled, folder=None, settings=SETTINGS, enough=ENOUGH, say=lambda text: None):
    kept = None if folder is None else kept_of(compiled, folder, settings, say)
    *_, tree = whitened.rounds(compiled.whitenable, settings, enough, kept=kept)
    return {**tree["posterior"].to_dataset(), **tree["sample_stats"].to_dataset()}


@pytest.fixture(scope="module")
def whole(compiled):
    return sampled(compiled)


@pytest.fixture
def written(monkeypatch):
    """Which rounds were sampled and kept, in order."""
    seen, keep = [], KeptRounds.keep
    monkeypatch.setattr(
        KeptRounds, "keep", lambda self, number, arrays: (seen.append(number), keep(self, number, arrays))
    )
    return seen


def assert_same(one, other):
    assert {*one} == {*other}
    for name in one:
        assert one[name].identical(other[name]), name
    assert one["level"]["curve"].values.tolist() == ["a", "b", "ü"]


def files(folder):
    return sorted(folder.glob("*.npz"), key=lambda path: path.stem[-1])


def test_keeping_rounds_changes_no_draw_and_all_are_kept(compiled, whole, tmp_path, written):
    folder, told = tmp_path / "parts" / "chains", []
    assert_same(sampled(compiled, folder, say=told.append), whole)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert written == [0, 1, 2, 3]
    assert told == []
    del written[:]
    assert_same(sampled(compiled, folder, say=told.append), whole)
    assert written == [], "nothing is sampled again"
    assert told == ["going on from the draws that were finished before"]


def test_a_short_fit_writes_nothing(compiled, whole, tmp_path, written, monkeypatch):
    monkeypatch.setattr(whitened, "LONG_S", 1000.0)
    assert_same(sampled(compiled, tmp_path), whole)
    assert written == []


@pytest.mark.parametrize("lost", [{0}, {3}, {2, 3}, {1}])
def test_what_is_missing_is_sampled_again_with_the_same_draws(compiled, whole, tmp_path, written, lost):
    sampled(compiled, tmp_path)
    del written[:]
    for number in lost:
        files(tmp_path)[number].with_suffix(".npz.sha256").unlink()
    assert_same(sampled(compiled, tmp_path), whole)
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
def test_a_spoilt_round_is_sampled_again(compiled, whole, tmp_path, written, how):
    sampled(compiled, tmp_path)
    del written[:]
    spoil(files(tmp_path)[1], how)
    assert_same(sampled(compiled, tmp_path), whole)
    assert written == [1]


def test_a_round_under_another_name_is_not_taken(compiled, tmp_path):
    sampled(compiled, tmp_path)
    kept = KeptRounds(tmp_path, files(tmp_path)[0].name[:32] + "0" * 32)
    assert kept.find(0) is None, "the name is the beginning of the key, the file holds all of it"


@pytest.mark.parametrize("other", [{"random_seed": 8}, {"tune": 61}, {"target_accept": 0.8}, {"chains": 2}])
def test_other_settings_have_rounds_of_their_own(compiled, tmp_path, written, other):
    sampled(compiled, tmp_path)
    del written[:]
    changed = dataclasses.replace(SETTINGS, **other)
    assert_same(sampled(compiled, tmp_path, changed), sampled(compiled, settings=changed))
    assert written == [0, 1, 2, 3]


def test_other_data_and_other_versions_have_rounds_of_their_own(compiled, tmp_path, monkeypatch):
    mine = kept_of(compiled, tmp_path).key
    assert kept_of(compiled, tmp_path).key == mine
    other = compiled.with_data(data=np.array([0.1, 0.5, np.nextafter(-0.3, -1.0) - 1e-12]))
    assert kept_of(other, tmp_path).key != mine
    monkeypatch.setattr(chains, "version", lambda name: "99")
    assert kept_of(compiled, tmp_path).key != mine


def test_no_room_for_a_round_is_a_warning(compiled, whole, tmp_path, monkeypatch):
    def full(path, content):
        raise StorageError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(chains, "write_sealed", full)
    with pytest.warns(RuntimeWarning, match="draws are not kept: .*No space left"):
        assert_same(sampled(compiled, tmp_path), whole)


def test_a_folder_that_cannot_be_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Fix: give another folder"):
        ChainFolder(tmp_path / "file" / "chains")


def test_ctrl_c_ends_the_chains(compiled):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sampled(compiled, settings=dataclasses.replace(SETTINGS, tune=2_000_000))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
