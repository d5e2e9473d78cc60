"""The section on label quality: what it says is what was computed, and it stands only where something is known."""

import dataclasses
import json

import pytest

import labelvalue as lv
from labelvalue import testing, write_report
from labelvalue.numerals import number, significant
from labelvalue.report.numbers.alternatives import quality_numbers
from labelvalue.report.numbers.exports import report_tables
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.words.wording import percent


@pytest.fixture(scope="module")
def known():
    fit = testing.fake_fit(seed=1, draws=50, slices=("east", "west & <b>co</b>"))
    case = lv.Case(
        costs={"price_per_label": {"low": 0.05, "high": 0.2}},
        value={"per_error_point": {"low": 100, "high": 300}},
        label_noise={"default": 0.05, "west & <b>co</b>": 0.25},
        currency="USD",
    )
    return fit, case, lv.decide(fit, case, max_labels=1500, measure=False)


@pytest.fixture(scope="module")
def written(known, tmp_path_factory):
    _, _, plan = known
    path = tmp_path_factory.mktemp("quality") / "report.html"
    write_report(plan, path=path, budgets=[500], numbers=path.with_suffix(".json"))
    return path.read_text("utf-8"), json.loads(path.with_suffix(".json").read_text("utf-8"))


def test_d18_the_page_and_its_numbers_say_what_was_computed(known, written, seen):
    _, _, plan = known
    page, numbers = written
    found, table = numbers["plan"]["label_quality"], lv.label_quality.noise_sensitivity(plan)
    assert [row["gain"] for row in found["rows"]] == table["gain"].tolist()
    assert [row["plan"] for row in found["rows"]] == table.attrs["plans"]
    now = found["rows"][1]
    assert (now["gain"], now["net_benefit"]) == (
        pytest.approx(numbers["plan"]["mean_gain"]["mean"], rel=1e-12),
        numbers["plan"]["net_benefit"]["mean"],
    )
    words = seen(page).words
    assert "Label quality" in words
    assert found["sentence"] in words
    section = page[page.index('id="quality"') : page.index('id="risk"')]
    for row in found["rows"]:
        for shown in (number(row["gain"], row["digits"]), significant(row["net_benefit"]), percent(row["wrong_share"])):
            assert shown in section
        for name in found["moved"]:
            assert f"{row['plan'][name]:,}" in section
    assert "the case states it" in section
    assert "<b>co" not in section
    assert "label_quality" in report_tables(numbers)


def test_the_sentence_says_what_changes(known):
    found = quality_numbers(known[2])
    fewer, _, more = found["rows"]
    for row, lead in ((fewer, "With half as many, the advice would be"), (more, "With twice as many, the advice")):
        assert lead in found["sentence"]
        if not row["same"]:
            assert f"{row['labels']:,} labels, for a net benefit of {significant(row['best'])} USD" in found["sentence"]


def test_without_a_share_of_wrong_labels_there_is_no_section(known):
    _, case, plan = known
    numbers = report_numbers(dataclasses.replace(plan, case=dataclasses.replace(case, label_noise=None)), [500])
    assert numbers["plan"]["label_quality"] is None
    assert "label_quality" not in report_tables(numbers)
