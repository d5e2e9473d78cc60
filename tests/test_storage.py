"""What is written is written whole, or not at all."""

import os

import pytest

from labelvalue.problems import StorageError
from labelvalue.storage import write_whole


def test_a_place_that_cannot_be_written(tmp_path):
    for path in (tmp_path / "nowhere" / "report.html", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match=r"cannot be written .* Fix:"):
            write_whole(path, b"page")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_who_may_read_stays_who_may_read(tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, b"new")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    for mode in (0o600, 0o640, 0o664, 0o444):
        path.chmod(mode)
        write_whole(path, b"again")
        assert path.stat().st_mode & 0o7777 == mode


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("x" * 255)
    write_whole(path, b"page")
    assert path.read_bytes() == b"page"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_beside_it(step, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(StorageError, match="No space left"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
