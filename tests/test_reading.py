"""One door for files: regular, within a limit, no deeper than can be parsed, whoever asks."""

import os
import time

import pytest
import xarray as xr

import labelvalue as lv
from labelvalue.observe.simulate.execution import WHAT, Checkpoint
from labelvalue.operate.store.configuration import read_configuration
from labelvalue.problems import InputError, StorageError
from labelvalue.reading import MOST_TEXT, open_regular, parse_json, parse_toml, read_bytes, read_text
from labelvalue.storage import read_sealed, write_sealed

SECONDS = 5  # by far enough to refuse anything; what is not refused takes for ever, or all memory


def fifo(path):
    os.mkfifo(path)


def zero(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    path.write_bytes(b"")
    os.truncate(path, 1 << 40)


def loop(path):
    path.symlink_to(path.name)


IRREGULAR = {"a pipe": fifo, "a device": zero, "over the limit": sparse, "Is a directory": os.mkdir, "symbolic": loop}


def configuration(path):
    read_configuration(path.parent)


def checkpoint(path):
    _ = Checkpoint(path.parent).seed


def seal(path):
    content = path.with_name(path.name.removesuffix(".sha256"))
    content.write_bytes(b"draws")
    read_sealed(content, "Fix: make it again")


DOORS = {
    "case.toml": (lv.read_case, InputError),
    "protocol.toml": (lv.read_protocol, InputError),
    "labelvalue.toml": (configuration, InputError),
    WHAT: (checkpoint, StorageError),
    "fit.nc.sha256": (seal, StorageError),
    "fit.nc": (lv.load_fit, StorageError),
}


@pytest.mark.parametrize("kind", IRREGULAR)
@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_file_is_refused_at_once(name, kind, tmp_path):
    read, error = DOORS[name]
    path = tmp_path / name
    if name == "fit.nc":
        write_sealed(path, b"draws")
        path.unlink()
    IRREGULAR[kind](path)
    began = time.monotonic()
    with pytest.raises(error, match=r"Fix: ") as raised:
        read(path)
    told = str(raised.value.__cause__) if name == "fit.nc.sha256" else str(raised.value)
    assert kind in told
    assert time.monotonic() - began < SECONDS


def test_a_file_that_grows_is_read_no_further(tmp_path):
    path = tmp_path / "grows"
    path.write_bytes(b"x" * 10)
    with open_regular(path, 20) as file:
        assert file.read(1) == b"x"
        path.write_bytes(b"x" * 10_000_000)
        file.seek(0)
        with pytest.raises(InputError, match="more than 20 bytes are over the limit"):
            file.read()


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5_000, "none", "/proc/self/mem"])
def test_what_cannot_be_opened_or_read(path):
    with pytest.raises(InputError, match=r"cannot be read.*Fix:"):
        read_bytes(path, 100)
    with pytest.raises(StorageError, match=r"cannot be read.* Fix: restore it\."):
        read_bytes(path, 100, ours=True, fix="restore it")


def test_text_is_utf_8_with_one_kind_of_line(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("é\r\n".encode())
    assert read_text(path) == "é\n"
    path.write_bytes(b"ab\xff")
    with pytest.raises(InputError, match="not UTF-8 at byte 2"):
        read_text(path)


DEEP = {
    "dotted": "a." * 20_000 + "a = 1",
    "dotted, spaced": "a\t. " * 20_000 + "a = 1",
    "quoted": "'a'.\"b\"." * 20_000 + "a = 1",
    "header": "[" + "a." * 20_000 + "a]",
    "lists": "a = " + "[" * 5_000 + "]" * 5_000,
    "tables": "a = " + "{a = " * 5_000 + "1" + "}" * 5_000,
    "behind a text of four quotes": 'a = ["""x"""", ' + "[" * 5_000 + '"]',
    "behind a comment with quotes": 'a = 1 # """\n' + "b." * 5_000 + "c = 1",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_depth_is_seen_before_it_is_parsed(text, monkeypatch):
    monkeypatch.setattr("tomllib.loads", lambda _: pytest.fail("the parser saw it"))
    with pytest.raises(InputError, match=r"file\.toml:\d+: not TOML: nested more than 16 deep"):
        parse_toml(text, file="file.toml")


SHALLOW = {
    "dots in texts": "a = '" + "a." * 1_000 + "'\n\"" + "b." * 1_000 + '" = 1',
    "brackets in texts": 'a = """' + "[" * 1_000 + '\\""""\nb = \'\'\'' + "{" * 1_000 + "''''",
    "dots and brackets in comments": "# " + "a." * 1_000 + "[" * 1_000 + "\na = 1",
    "many beside each other": "a = [" + "[], " * 1_000 + "]",
    "as deep as may be": "a." * 15 + "a = " + "[" * 16 + "]" * 16,
}


@pytest.mark.parametrize("text", SHALLOW.values(), ids=SHALLOW)
def test_what_only_looks_deep_is_read(text):
    assert parse_toml(text)["a"]


UNENDING = {
    "never closed": '"""\\' * (MOST_TEXT // 4),
    "escapes, never closed": 'a = "' + '\\"' * (MOST_TEXT // 2 - 5),
    "quotes": "'" * MOST_TEXT,
    "one word": "a" * MOST_TEXT,
    "words": "a " * (MOST_TEXT // 2),
    "digits": "a = " + "9" * (MOST_TEXT - 4),
    "too long": "#" * (MOST_TEXT + 1),
}


@pytest.mark.parametrize("text", UNENDING.values(), ids=UNENDING)
def test_no_text_takes_long(text):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"not TOML|over the limit"):
        parse_toml(text)
    assert time.monotonic() - began < SECONDS


def test_numbers_of_more_than_64_bits_are_named():
    with pytest.raises(InputError) as raised:
        parse_toml(f"[costs]\nprice = {10**400}\nlist = [1, -0x{'f' * 400}]".replace("-0x", "0x"), file="case.toml")
    assert [problem.column for problem in raised.value.problems] == ["costs.price", "costs.list"]
    assert parse_toml(f"a = {2**63 - 1}")["a"] == 2**63 - 1


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("[" * 1_000_000, "nested more than 64 deep"),
        (r'["\ud800"]', "half of a character"),
        (r'{"\udfff": 1}', "half of a character"),
        ("{", "Expecting"),
        (b"\xff", "utf-8"),
    ],
)
def test_json_that_is_not_ours(text, pattern):
    with pytest.raises(ValueError, match=pattern):
        parse_json(text)


def test_json_that_is():
    assert parse_json(rb'{"a": ["\ud83d\ude00", "[[[", "\""], "b": {"a": 1}}')["a"] == ["😀", "[[[", '"']
    assert parse_json("[" * 64 + "]" * 64)


FOREIGN = {
    "no netCDF": b"CDF\x01 and then something else",
    "nothing": b"",
    "HDF5 cut off": b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_seal_makes_no_fit(content, tmp_path):
    write_sealed(tmp_path / "fit.nc", content)
    with pytest.raises(StorageError, match=r"sealed, and yet no fit .*Fix: make the fit again"):
        lv.load_fit(tmp_path / "fit.nc")


@pytest.mark.parametrize("attrs", [{}, {"schema": "x", "model": "y"}, {"schema": 1, "model": "power_law"}])
def test_a_netcdf_file_is_no_fit_by_itself(attrs, tmp_path):
    tree = xr.DataTree(xr.Dataset({"x": ("n", [1.0])}, attrs=attrs))
    write_sealed(tmp_path / "fit.nc", bytes(tree.to_netcdf(None, engine="netcdf4")))
    with pytest.raises(StorageError, match=r"sealed, and yet no fit .*Fix: make the fit again"):
        lv.load_fit(tmp_path / "fit.nc")
