"""Cases and case files: every fault with the place of its key, all at once."""

import dataclasses
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import InputError, names
from labelvalue.decisions.case.case import example_case, parse_case, read_case
from labelvalue.decisions.outcomes.spending import notes_of
from labelvalue.testing import fake_fit

BASE = "[costs]\nprice_per_label = 0.08\n[value]\nper_error_point = 400\n"


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, draws=50)


def said_of(text: str, fit=None) -> list[str]:
    """What is wrong with a case file, one line a problem."""

    def read():
        parse_case(text, file="case.toml").check(fit)

    with pytest.raises(InputError) as raised:
        read()
    return [str(problem) for problem in raised.value.problems]


def priced(text: str) -> str:
    return BASE.replace("0.08", text)


FAULTS = {
    "no TOML": ("a = = 3", r"case\.toml:1: not TOML: .*line 1, column 5"),
    "a key twice": (priced("1\nprice_per_label = 2"), r"case\.toml:3: not TOML: .*line 3, column \d+"),
    "an unknown key": (
        "[costs]\nprice = 1\n[value]\nper_error_point = 1\n",
        r"key 'costs\.price': unknown key 'price'; did you mean 'price_per_label'\?",
    ),
    "an unknown table": (BASE + "[guardrail]\n", r"unknown key 'guardrail'; did you mean 'guardrails'\?"),
    "text for a number": (priced('"8 cents"'), r"key 'costs\.price_per_label', value '8 cents': expected a number"),
    "a truth value for a number": (priced("true"), "value True: expected a number"),
    "a negative price": (priced("-1"), r"key 'costs\.price_per_label', value -1: must be a finite number ≥ 0"),
    "a price that is none": (priced("nan"), "value nan: must be a finite number ≥ 0"),
    "an infinite price": (priced("inf"), "value inf: must be a finite number ≥ 0"),
    "a negative price of a slice": (priced("{ default = 1, west = -2 }"), r"price_per_label\.west', value -2: must be"),
    "two currencies": (
        'currency = "EUR"\n' + BASE.replace("[value]", 'currency = "USD"\n[value]'),
        r"two currencies, 'EUR' \(currency\) and 'USD' \(costs\.currency\)",
    ),
    "branches that do not sum to 1": (
        priced("[{ value = 1, probability = 0.5 }, { value = 2, probability = 0.4 }]"),
        r"key 'costs\.price_per_label': .*sum to 0\.9",
    ),
    "a level of 1": (BASE + '[risk]\nappetite = "cvar"\nlevel = 1.0\n', r"key 'risk\.level', value 1\.0: .*0 < … < 1"),
    "an appetite that is a list": (BASE + '[risk]\nappetite = ["cvar"]\n', r"key 'risk\.appetite', .*expected text"),
    "a kind that is a list": (
        BASE + "[[interventions]]\nkind = []\n",
        r"key 'interventions\[0\]\.kind', .*expected text",
    ),
    "an unknown appetite": (BASE + '[risk]\nappetite = "cvr"\n', r"unknown appetite; did you mean 'cvar'\?"),
    "a probability above 1": (
        BASE + "[guardrails]\nmaximum_budget = { limit = 3, probability = 1.5 }\n",
        r"key 'guardrails\.maximum_budget\.probability', value 1\.5: .*0 < … < 1",
    ),
    "a share above 1": (priced("0.08\nrework = 1.2"), r"key 'costs\.rework', value 1\.2: must be a share, 0 ≤ … < 1"),
    "an interval of a share above 1": (priced("1\nrework = { low = 0.1, high = 1.2 }"), r"key 'costs\.rework.*below 1"),
    "ends in the wrong order": (priced("{ low = 2, high = 1 }"), r"low 2 is not below high 1"),
    "a model": ('model = "x"\n' + BASE, "key 'model': unknown key 'model'"),
    "code": (BASE + '[value.code]\nrun = "os.system"\n', r"key 'value\.code': unknown key 'code'"),
    "no value of an error point": (
        "[costs]\nprice_per_label = 1\n[value]\nstakes = { west = 2 }\n",
        r"a decision needs 'value\.per_error_point' or a target",
    ),
    "no value at all": ("[costs]\nprice_per_label = 1\n", r"a decision needs 'value\.per_error_point' or a target"),
    "a floor without its slice": (BASE + "[[guardrails.floors]]\nerror = 0.1\n", r"floors\[0\]\.slice': is missing"),
    "a minimum above what there is": (
        BASE + "[slices]\nwest = { minimum = 900, available = 1000, usable = 0.8 }\n",
        r"key 'slices\.west\.minimum': minimum 900 is more than may be bought, 800",
    ),
    "a dated change without a horizon": (
        BASE + "mix_changes = [{ after_days = 9, factors = { west = 2 } }]\n",
        "needs to know for how long value counts",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_placed_and_explained(fault):
    text, pattern = FAULTS[fault]
    said = said_of(text)
    assert any(re.search(pattern, line) for line in said), said
    assert all(line.startswith("case.toml") and " Fix: " in line for line in said)


def test_everything_that_is_wrong_is_said_at_once():
    text = 'colour = 1\n[costs]\nprice_per_label = -1\nrework = 2\n[value]\nhorizon_days = 0\n[risk]\nappetite = "x"\n'
    said = said_of(text)
    for key in ("colour", "costs.price_per_label", "costs.rework", "value.per_error_point", "value.horizon_days"):
        assert any(f"key '{key}'" in line for line in said), key


def test_unknown_slices_are_named_wherever_they_stand(fit):
    text = BASE + (
        "stakes = { West = 2 }\nhorizon_days = 9\nmix_changes = [{ after_days = 1, factors = { sud = 2 } }]\n"
        '[[guardrails.floors]]\nslice = "wets"\nerror = 0.1\n[slices]\nnord = { minimum = 3 }\n'
    )
    said = said_of(text, fit)
    for where, what in (
        ("value.stakes.West", "unknown slice 'West'; did you mean 'west'?"),
        ("slices.nord", "unknown slice 'nord'; did you mean 'north'?"),
        ("guardrails.floors[0].slice", "unknown slice 'wets'; did you mean 'west'?"),
        ("value.mix_changes[0].factors.sud", "unknown slice 'sud'"),
    ):
        assert any(where in line and what in line for line in said), (where, said)


def test_price_missing_for_a_slice_is_named(fit):
    said = said_of(priced("{ west = 1 }"), fit)
    assert len(said) == 3
    assert "no number for slice 'east'" in said[0]
    assert "or a default" in said[0]


def test_price_of_nothing_is_accepted_and_said(fit):
    case = parse_case(priced("0"))
    case.check(fit)
    assert notes_of(fit, case.costs) == ("labels cost nothing, by the case",)
    assert lv.decide(fit, case, max_labels=100, measure=False).notes == notes_of(fit, case.costs)
    assert notes_of(fit, parse_case(priced("{ default = 1, west = 0 }")).costs) == (
        "labels of west cost nothing, by the case",
    )
    assert notes_of(fit, parse_case(BASE).costs) == ()


def test_more_than_is_available_cannot_be_asked_for(fit):
    case = parse_case(BASE + "[slices]\nwest = { available = 1300 }\n")
    with pytest.raises(InputError, match=r"slice 'west' has 1,300 labels to buy, the plan wants 2,500"):
        lv.plans.plan_outcomes(fit, case, {"too much": {"west": 2500}})
    assert lv.decide(fit, case, max_labels=5000, measure=False).labels["west"] <= 1300


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [({"west": -1}, "whole number ≥ 0"), ({"west": 1.5}, "whole number ≥ 0"), ({"wst": 1}, "did you mean 'west'")],
)
def test_plans_are_checked(fit, labels, pattern):
    with pytest.raises(InputError, match=pattern):
        lv.plans.plan_outcomes(fit, parse_case(BASE), {"a plan": labels})


def test_far_plans_say_so(fit):
    table = lv.decide(fit, parse_case(priced("0")), max_labels=2_000_000, measure=False).table()
    assert (table[names.DOUBLINGS] > 3).any()
    far = table[names.DOUBLINGS] > 3
    assert table.loc[far, names.FLAGS].str.contains(names.BEYOND_VALIDATED).all()
    near = lv.decide(fit, parse_case(priced("0")), max_labels=500, measure=False).table()
    assert not near[names.FLAGS].str.contains(names.BEYOND_VALIDATED).any()


# --- the file -------------------------------------------------------------------------------------


def test_missing_folder_and_wrong_encoding(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_case(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_case(tmp_path)
    latin = tmp_path / "case.toml"
    latin.write_bytes('name = "Zürich"'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 at byte 9"):
        read_case(latin)


def test_shipped_example_reads_writes_and_reads_again(tmp_path):
    case = parse_case(example_case())
    assert (files("labelvalue_data") / "adult_case.toml").is_file()
    path = tmp_path / "case.toml"
    path.write_text(case.to_toml())
    assert read_case(path) == case
    # Every table of a case file is shown, so that the example can serve as its reference.
    shown = example_case().replace("\n# ", "\n")  # or stands there as a comment
    left_out = {f.name for f in dataclasses.fields(lv.Case) if f.init} - {"learner", "suite", "label_errors"}
    assert {key for key in left_out if f"\n{key} =" not in shown and f"[{key}]" not in shown} == set()


def test_what_the_example_keeps_in_a_comment_is_a_case_too():
    text = example_case()
    head, tail = text.split("# What could be bought instead")
    noise, tables = tail.split("#\n# [[interventions]]")
    noise = next(line.removeprefix("# ") for line in noise.splitlines() if "label_noise" in line)
    tables = ("[[interventions]]" + tables).replace("\n# ", "\n")
    case = parse_case(noise + "\n" + head + tables)
    assert [one.name for one in case.interventions] == ["relabel"]
    assert case.label_noise is not None


def test_shipped_example_belongs_to_the_shipped_runs():
    case = parse_case(example_case())
    runs = lv.read_runs(Path(__file__).parents[2] / "data" / "adult_runs.csv")
    fit = fake_fit(seed=1, slices=tuple(sorted({str(name) for name in runs["slice"].values})), draws=50)
    case.check(fit)
    loose = dataclasses.replace(case, guardrails=lv.rules.Guardrails(maximum_budget=case.guardrails.maximum_budget))
    plan = lv.decide(fit, loose, max_labels=10_000, measure=False)
    assert plan.labels["Machine-op-inspct"] >= 200
    assert plan.rules["kept"].all()


# --- from text to numbers -------------------------------------------------------------------------


def test_parts_may_be_objects_or_mappings():
    objects = lv.Case(costs=lv.Costs(price_per_label=0.08), value=lv.Value(per_error_point=400, stakes={"west": 3}))
    mappings = lv.Case(costs={"price_per_label": 0.08}, value={"per_error_point": 400, "stakes": {"west": 3}})
    assert objects == mappings
    with pytest.raises(dataclasses.FrozenInstanceError):
        objects.name = "other"


def test_interval_holds_what_it_says():
    for given in ({"low": 0.05, "high": 0.2}, {"low": 1, "high": 3, "distribution": "uniform", "probability": 0.8}):
        interval = lv.Interval(**given)
        tail = (1 - interval.probability) / 2
        assert interval.quantile(np.array([tail, 1 - tail])) == pytest.approx([interval.low, interval.high])


def test_draws_of_prices_are_paired_between_plans_and_cases(fit):
    """The same case twice, or in another place: the same prices; that is what makes differences exact."""
    case = parse_case(priced("{ low = 0.05, high = 0.2 }"))
    first = lv.plans.plan_outcomes(fit, case, {"a": {"west": 100}})[names.COST].sel(plan="a")
    second = lv.plans.plan_outcomes(fit, case, {"b": {"east": 300}, "a": {"west": 200}})[names.COST].sel(plan="a")
    assert np.allclose(second, 2 * first)
    assert float(first.std()) > 0
