"""Protocols: read from TOML, hashed, written with the runs, and never mixed without a word."""

import dataclasses

import pandas as pd
import pytest

from labelvalue import Protocol, names, read_protocol, read_runs, write_runs
from labelvalue.observe.simulate.protocol import measured_by, parse_protocol, template
from labelvalue.observe.simulate.suites import (
    ClassMix,
    DomainSplit,
    FeatureNoise,
    MissingValues,
    TimeSplit,
    WrongEvaluation,
)
from labelvalue.observe.table.files import to_csv
from labelvalue.problems import InputError

FULL = Protocol(
    metric="f1",
    positive='the "yes" \\ é',
    slices="region",
    sizes=(160, 40, 80),
    replicates=3,
    resampling="folds",
    test_size=0.2,
    jitter=1e-05,
    strategies=("random", "margin", ClassMix({"no": 0.8, "yes": 0.2})),
    batch_size=10,
    label_noise=(0, 0.1),
    noise_kind="annotators",
    synthetic=(0.5,),
    generator="bootstrap",
    suites=(
        TimeSplit("day", 0.3),
        DomainSplit("site", ("Lyon", "Oslo")),
        FeatureNoise(0.5),
        MissingValues(0.1),
        WrongEvaluation(0.1, "class_conditional"),
        ClassMix({"no": 0.5, "yes": 0.5}),
    ),
    diversity=True,
    random_state=7,
)


@pytest.mark.parametrize("protocol", [FULL, Protocol()])
def test_toml_comes_back(protocol, tmp_path):
    path = tmp_path / "protocol.toml"
    path.write_text(protocol.to_toml(), encoding="utf-8")
    again = read_protocol(path)
    assert again == protocol
    assert again.id == protocol.id


def test_the_template_is_a_protocol_and_its_comments_are_too():
    plain = parse_protocol(template())
    assert dataclasses.replace(plain, metric=None, random_state=None) == Protocol()
    lines = [line.removeprefix("# ") for line in template().splitlines()]
    start = next(i for i, line in enumerate(lines) if line == "[[suites]]")
    suites = parse_protocol("\n".join(line for line in lines[start:] if line != "#")).suites
    assert {type(suite) for suite in suites} == {type(suite) for suite in FULL.suites}


def test_every_setting_changes_the_id():
    ids = {FULL.id}
    for field in dataclasses.fields(Protocol):
        default = getattr(Protocol(), field.name)
        given = {"metric": "auc"} if field.name == "metric" else {field.name: default}
        ids.add(dataclasses.replace(FULL, **given).id)
    assert len(ids) == 1 + len(dataclasses.fields(Protocol))


def test_the_id_says_what_is_measured():
    assert measured_by(FULL.id) == 'f1(the "yes" \\ é)'
    assert measured_by(Protocol(metric="auc").id) == "auc"
    assert measured_by("v2") is None


def test_order_of_sizes_and_of_shares_means_nothing():
    assert Protocol(sizes=[20, 10, 10]) == Protocol(sizes=(10, 20))
    assert Protocol(suites=[ClassMix({"b": 0.5, "a": 0.5})]) == Protocol(suites=(ClassMix({"a": 0.5, "b": 0.5}),))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("replicate = 3", r"p.toml, key 'replicate': unknown key 'replicate'; did you mean 'replicates'\?"),
        ("replicates = 0", r"p.toml, key 'replicates', value 0: must be a whole number ≥ 1"),
        ("replicates = ", "not TOML"),
        ('replicates = "3"', r"p.toml, key 'replicates', value '3': must be a whole number"),
        ('[[suites]]\nkind = "nose"', r"key 'suites\[0\]\.kind', value 'nose': unknown kind; did you mean 'noise'\?"),
        ('[[suites]]\nkind = "noise"\nshare = 0.1', r"key 'suites\[0\]\.share': unknown key"),
        ('[[suites]]\nkind = "noise"', "scale"),
        ('[[suites]]\nkind = "noise"\nscale = -1', r"p.toml, key 'suites\[0\]\.scale', value -1"),
        ('suites = "noise"', r"key 'suites', value 'noise': expected a list"),
        ('strategies = "random"', r"key 'strategies', value 'random': expected a list"),
        ("strategies = [{ share = { no = 1.0 } }]", "share"),
        ('strategies = [{ shares = { no = 0.8, yes = "x" } }]', r"p.toml.*not all > 0 with sum 1"),
        ("strategies = [{ shares = { no = 0.8, yes = nan } }]", r"p.toml.*not all > 0 with sum 1"),
        ("strategies = [{ shares = 1 }]", r"p.toml.*not all > 0 with sum 1"),
        ('[[suites]]\nkind = ["noise"]', r"p.toml, key 'suites\[0\]\.kind', .*expected text"),
        ("sizes = [1.5]", r"key 'sizes\[0\]', value 1.5: must be a whole number"),
    ],
)
def test_files_that_cannot_be(text, pattern, tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=pattern):
        read_protocol(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_protocol(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes("metric = 'é'".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 at byte 10"):
        read_protocol(tmp_path / "latin.toml")


def test_a_protocol_does_what_its_settings_do(simulate):
    clock = [names.SECONDS, names.MEASURED_AT]
    protocol = Protocol(sizes=(40, 80), replicates=2, random_state=1)
    by_file = simulate(protocol=protocol, sizes=None, replicates=None, random_state=None)
    by_name = simulate(sizes=[40, 80])
    assert by_file.drop_vars(clock).drop_attrs().identical(by_name.drop_vars(clock).drop_attrs())
    other = simulate(protocol=protocol, sizes=[60], replicates=None, random_state=None)
    assert set((other[names.LABELS] + other[names.OTHER_LABELS]).values) == {60}


def test_what_was_done_is_written_with_the_runs(simulate, tmp_path):
    runs = simulate(sizes=None, random_state=None, replicates=1, suites=[FeatureNoise(0.5)])
    done = parse_protocol(runs.attrs[names.PROTOCOL])
    assert done.metric == "error_rate"
    assert len(done.sizes) == 7
    assert (done.resampling, done.test_size) == ("subsets", 0.25)
    assert done.random_state is not None
    assert set(runs[names.PROTOCOL].values) == {done.id}
    again = simulate(protocol=done, sizes=None, replicates=None, random_state=None)
    assert again[names.ERRORS].equals(runs[names.ERRORS])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_it_stands_beside_the_table_and_is_read_back_with_it(suffix, simulate, tmp_path):
    runs = simulate(suites=[FeatureNoise(0.5)])
    path = write_runs(runs, tmp_path / f"r.{suffix}")
    assert read_protocol(tmp_path / f"r.{suffix}.protocol.toml").id == runs[names.PROTOCOL].values[0]
    again = read_runs(path)
    assert again.attrs[names.PROTOCOL] == runs.attrs[names.PROTOCOL]
    assert again.attrs[names.NOTES].splitlines() == []
    elsewhere = write_runs(again, tmp_path / "copy.csv")
    assert read_runs(elsewhere).attrs[names.PROTOCOL] == runs.attrs[names.PROTOCOL]


def test_the_protocol_of_other_runs_is_neither_written_nor_believed(simulate, tmp_path):
    one, two = simulate(sizes=[40]), simulate(sizes=[80])
    both = read_runs(pd.concat([rows(one), rows(two)])).assign_attrs(one.attrs)
    for number, runs in enumerate([both, one.drop_vars(names.PROTOCOL), one.assign_attrs(protocol="by hand")]):
        path = write_runs(runs, tmp_path / f"{number}.csv")
        assert list(tmp_path.glob(f"{number}.csv.*")) == []
        assert names.PROTOCOL not in read_runs(path).attrs
    path = write_runs(one, tmp_path / "r.csv")
    for runs in (two, both, one.drop_vars(names.PROTOCOL)):
        (tmp_path / "s.csv.protocol.toml").write_bytes((tmp_path / "r.csv.protocol.toml").read_bytes())
        (tmp_path / "s.csv").write_text(to_csv(runs))
        read = read_runs(tmp_path / "s.csv")
        assert names.PROTOCOL not in read.attrs
        (note,) = [n for n in read.attrs[names.NOTES].splitlines() if "left aside" in n]
        other = str(runs[names.PROTOCOL].values[-1]) if names.PROTOCOL in runs else ""
        wanted = f"'{two[names.PROTOCOL].values[0]}'" if other else "''"
        mine = one[names.PROTOCOL].values[0]
        assert note == f"s.csv.protocol.toml is left aside: it is '{mine}', and there are runs of {wanted}"
    assert read_runs(path).attrs[names.PROTOCOL] == one.attrs[names.PROTOCOL]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"replicates = ", "not TOML"),
        (b"replicates = 0", "must be"),
        (b"\xff", "not UTF-8"),
        (b"#" * 5_000_000, "over the limit"),
    ],
)
def test_what_is_no_protocol_is_left_aside(content, why, simulate, tmp_path):
    path = write_runs(simulate(sizes=[40]), tmp_path / "r.csv")
    (tmp_path / "r.csv.protocol.toml").write_bytes(content)
    (note,) = read_runs(path).attrs[names.NOTES].splitlines()
    assert note.startswith("r.csv.protocol.toml is left aside, it is no protocol: ")
    assert why in note


def test_not_a_protocol(simulate):
    with pytest.raises(TypeError, match="protocol must be a Protocol, not str"):
        simulate(protocol="protocol.toml")


# --- runs of several protocols --------------------------------------------------------------------


def rows(runs):
    return runs.to_dataframe().reset_index(drop=True)


def test_a_mix_is_noted(simulate):
    one, two = simulate(sizes=[40]), simulate(sizes=[80], random_state=2)
    notes = read_runs(pd.concat([rows(one), rows(two)])).attrs[names.NOTES].splitlines()
    (note,) = [n for n in notes if "protocols" in n]
    first, second = sorted([one[names.PROTOCOL].values[0], two[names.PROTOCOL].values[0]])
    assert note == f"runs of 2 protocols are mixed: '{first}' (6 runs), '{second}' (6 runs)"
    with_none = pd.concat([rows(one), rows(two).drop(columns=names.PROTOCOL)])
    notes = read_runs(with_none).attrs[names.NOTES].splitlines()
    assert any("'' (6 runs)" in n for n in notes)
    assert not [n for n in read_runs(rows(one)).attrs[names.NOTES].splitlines() if "protocols" in n]


def test_metrics_are_not_mixed(simulate):
    one, two = simulate(metric="f1", sizes=[40]), simulate(metric="auc", sizes=[80])
    with pytest.raises(InputError, match=r"protocols measure different things: 'auc' \(rows? .*\), 'f1' \(rows? "):
        read_runs(pd.concat([rows(one), rows(two)], ignore_index=True), metric="f1")
    other = simulate(metric="f1", positive="no", sizes=[80])
    with pytest.raises(InputError, match=r"'f1', 'f1\(no\)'|'f1' .*'f1\(no\)'"):
        read_runs(pd.concat([rows(one), rows(other)], ignore_index=True), metric="f1")


def test_error_rate_and_accuracy_are_one_count(simulate):
    one, two = simulate(sizes=[40]), simulate(metric="accuracy", sizes=[80])
    assert read_runs(pd.concat([rows(one), rows(two)], ignore_index=True)).sizes["run"] == 12


def test_the_protocol_names_the_metric(simulate, tmp_path):
    path = write_runs(simulate(metric="auc", sizes=[40]), tmp_path / "runs.csv")
    assert read_runs(path).attrs[names.METRIC] == "auc"
    with pytest.raises(InputError, match=r"metric 'f1' was asked for, and the protocol measured 'auc'"):
        read_runs(path, metric="f1")


def test_one_evaluation_set_has_one_meaning(simulate):
    """One id for two suites of two protocols: one of them measured something else than it says."""
    one, two = rows(simulate(sizes=[40])), rows(simulate(sizes=[80]))
    pair = pd.concat([one, two.assign(suite="noise 0.5")], ignore_index=True)
    with pytest.raises(
        InputError, match=r"evaluation set 'rows-.*' is suite 'holdout' in one protocol .* 'noise 0.5' in"
    ):
        read_runs(pair)
    inside = pair.assign(protocol="v1", replicate=range(len(pair)))  # one protocol may name its copies alike
    assert read_runs(inside).sizes["run"] == 12


def test_ids_of_ones_own_are_text_like_any_other():
    table = pd.DataFrame({"slice": ["a", "a"], "labels": [1, 2], "errors": [1, 1], "trials": [9, 9]})
    runs = read_runs(table.assign(protocol=["v1", "v2"]))
    assert any("2 protocols" in n for n in runs.attrs[names.NOTES].splitlines())
