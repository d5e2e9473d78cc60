"""Numbers without bounds: refused where they come in, with their place, by settings, by options and from Python."""

import math
import typing
import warnings

import pytest
from typer.models import ArgumentInfo

import labelvalue as lv
from labelvalue import cli, testing
from labelvalue.cli import runs
from labelvalue.decisions.case.case import parse_case
from labelvalue.numerals import MAX_COUNT, MOST
from labelvalue.operate.store.configuration import read_configuration
from labelvalue.problems import InputError, quote
from labelvalue.settings import Checks, is_number
from tests.operate.conftest import CASE

HUGE = (
    "9" * 400,
    "9" * 5_000,
    "1e308",
    "1e400",
    "-1e400",
    "inf",
    "nan",
    "-1",
    str(2**63),
    "9223372036854775808",
    "1e16",
)  # no price, no count, no probability


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory):
    return testing.fake_fit(seed=1, draws=50).save(tmp_path_factory.mktemp("fit") / "fit.nc")


def settings_of(text):
    """Every number in a case, one at a time."""
    lines = text.splitlines()
    return [number for number, line in enumerate(lines) if line.rpartition("= ")[2].replace(".", "").isdigit()]


@pytest.mark.parametrize("value", HUGE)
def test_cases(value, tmp_path):
    """Each number of a case in turn; the error names the file and the key, or the line."""
    lines = CASE.splitlines()
    places = settings_of(CASE)
    assert len(places) == 3
    for place in places:
        key = lines[place].split(" = ")[0]
        text = "\n".join([*lines[:place], f"{key} = {value}", *lines[place + 1 :]])
        with pytest.raises(InputError) as raised:
            parse_case(text, file="case.toml")
        (problem,) = raised.value.problems
        assert problem.file == "case.toml"
        assert problem.column.endswith(key) or "digits" in problem.why, problem


@pytest.mark.parametrize("value", HUGE)
def test_configuration(value, tmp_path):
    for table, key in (("fit", "draws"), ("plan", "lot"), ("limits", "memory_gb")):
        if (table, value) in {("limits", "1e308"), ("limits", "1e16")}:
            continue  # a limit that is never reached
        (tmp_path / "labelvalue.toml").write_text(f"[{table}]\n{key} = {value}\n")
        with pytest.raises(InputError, match=r"labelvalue\.toml"):
            read_configuration(tmp_path)


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), 10 * MOST, -1])
def test_python(value):
    with pytest.raises(InputError):
        lv.Costs(price_per_label=value)
    with pytest.raises(InputError):
        lv.Costs(price_per_label=1, batch_size=value)
    checks = Checks()
    for check in (checks.number, checks.whole, checks.share):
        check("key", value)
    assert len(checks.problems) == 3
    with pytest.raises((InputError, ValueError), match="whole number"):
        lv.predict_gain(testing.fake_fit(seed=1, draws=25), budgets=[value])


def test_what_is_a_number():
    assert not any(map(is_number, (10**400, math.inf, math.nan, True, "1", None)))
    assert all(map(is_number, (0, 1.5, 10**300)))
    assert quote(10**5_000) == "a number of 16,610 bits"


def parameters(command):
    """Each argument and option of a command: its name, its types and what typer was told."""
    for name, hint in typing.get_type_hints(command.callback, include_extras=True).items():
        if name != "return":
            yield name.strip("_"), typing.get_args(hint.__origin__) or (hint.__origin__,), hint.__metadata__[0]


def numeric():
    """Every option of every command that takes a number."""
    commands = [*cli.app.registered_commands, *runs.importing.registered_commands]
    return [(c, name, told) for c in commands for name, kinds, told in parameters(c) if {int, float} & set(kinds)]


def test_every_numeric_option_has_bounds():
    found = numeric()
    assert len(found) >= 15
    for command, name, told in found:
        assert told.min is not None, (command.callback, name)
        assert told.max is not None, (command.callback, name)


NEEDS = {
    "simulate": ["--target=x", "--slice=x", "--out=x"],
    "fit": ["--out=x"],
    "gain": ["--budgets=x"],
    "plan": ["--case=x"],
}  # what a command cannot do without


@pytest.mark.parametrize("value", ["9" * 400, "9" * 5_000, "1e400", "nan", "inf", str(2**63), "-9999"])
def test_options(value, capsys):
    """Each is refused as bad usage, before any file is looked at."""
    for command, name, _ in numeric():
        option = "--" + name.replace("_", "-")
        called = command.name or command.callback.__name__
        arguments = ["x"] * sum(isinstance(told, ArgumentInfo) for _, _, told in parameters(command))
        assert cli.main([called, *arguments, *NEEDS.get(called, []), f"{option}={value}"]) == 1
        told = capsys.readouterr().err
        assert option in told, told
        assert "Fix:" in told


@pytest.mark.parametrize(
    "value", ["9" * 30, "9" * 5_000, "1e3", "-5", "1.5", "nan", "", "1,,2", str(MAX_COUNT + 1), "١"]
)
def test_lists_of_counts(value, fit_file, capsys):
    for given in (["gain", str(fit_file)], ["report", str(fit_file)]):
        assert cli.main([*given, f"--budgets={value}"]) == 1
        told = capsys.readouterr().err
        assert "'--budgets'" in told
        assert "Fix:" in told


def test_the_largest_that_is_taken_makes_no_noise(fit_file, tmp_path, capsys):
    """Prices, gains and counts at their limits: numbers come out, and no warning of overflow."""
    (tmp_path / "case.toml").write_text(CASE.replace("0.1", str(MOST)).replace("400", str(MOST)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli.main(["plan", str(fit_file), "--case", str(tmp_path / "case.toml"), "--max-labels", "100"]) == 0
    told = capsys.readouterr().out
    assert "nan" not in told
    assert "not available" not in told
