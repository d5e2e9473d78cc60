"""The page that a re-fit of a project with a case writes: its decision is the one in the ledger."""

import shutil
from pathlib import Path

import pytest

from labelvalue import cli
from labelvalue.numerals import significant
from labelvalue.operate.history.scorecard import differences
from labelvalue.operate.refit import advice
from labelvalue.report.render.images import BROWSERS
from tests.operate.conftest import CASE, WITH_CASE, configure, put_case
from tests.report.conftest import Seen


def test_the_page_of_a_refit_holds_the_recorded_decision(decided):
    configure(decided, WITH_CASE)
    result = decided.refit(progress=False)
    page = Path(result.page).read_text("utf-8")
    assert f"Decision: <strong>{result.advice['advice']}</strong>" in page
    for name, labels in result.advice["plan"].items():
        assert name in page
        assert f"{labels:,}" in page
    assert "Assumptions, and what follows if one is wrong" in page
    assert ">costs.price_per_label" in page.replace("<wbr>", ""), "an id breaks between its words"
    assert 'id="over-time"' not in page, "a first batch has no past"
    assert 'id="what-if-panel"' in page


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no browser on PATH")
def test_r16_a_refit_prints_two_pages_also_where_nothing_is_new(decided, tmp_path, capsys):
    configure(decided, WITH_CASE)
    paper = tmp_path / "report.pdf"
    for asked in (["refit", str(decided.folder), "--pdf", str(paper)], ["refit", str(tmp_path), "--all", "--pdf", "x"]):
        ended = cli.main(asked)
    assert 1 <= paper.read_bytes().count(b"/Type /Page\n") <= 2
    assert ended == 1
    assert "prints one project" in capsys.readouterr().err


def test_a_guardrail_that_says_stop_is_the_verdict_of_the_page(decided):
    """The command ends with 3, and whoever reads the page is not told to buy."""
    configure(decided, WITH_CASE)
    bought = decided.refit(progress=False)
    assert Seen(Path(bought.page).read_text("utf-8")).words.count("The case sets no guardrails.") == 1
    spent = decided.assets().attrs["total"]["cost"]
    rule = "[guardrails]\nmaximum_spend = {{ limit = {} }}\n"
    put_case(decided, CASE + rule.format(spent - 1))
    configure(decided, WITH_CASE)
    stopped = decided.refit(progress=False)
    assert (stopped.exit_code, stopped.new, stopped.advice["advice"]) == (3, False, "no plan")
    page = Path(stopped.page).read_text("utf-8")
    assert "Decision: <strong>no plan</strong>" in page
    assert f"it is {spent:,.10g} before any plan" in Seen(page).words
    put_case(decided, CASE + rule.format(spent + 100))
    configure(decided, WITH_CASE)
    kept = decided.refit(progress=False)
    assert (kept.exit_code, kept.advice["advice"]) == (0, "buy")
    assert 0.0 < kept.advice["cost"]["mean"] <= 100.0 < bought.advice["cost"]["mean"], "within what is left"
    assert "The guardrail is kept" in Path(kept.page).read_text("utf-8")


def test_r14_what_differs_from_the_decision_before_is_marked(decided, monkeypatch):
    """And the page shows the decision that was recorded: none is made twice."""
    configure(decided, WITH_CASE)
    first = decided.refit(progress=False)
    assert "since the last decision" not in Path(first.page).read_text("utf-8")
    put_case(decided, CASE.replace("0.1", "25.0"))
    configure(decided, WITH_CASE)
    monkeypatch.setattr(advice, "decision_of", None)
    second = decided.refit(progress=False)
    page = Path(second.page).read_text("utf-8")
    first_page = page[page.index('<section id="decision"') :].partition("</section>")[0]
    assert "Since the last decision:" in first_page
    assert "What changed since the last decision" in page.partition(first_page)[2], "and in full behind it"
    assert "the case was edited" in page
    for name, labels in first.advice["plan"].items():
        if labels != second.advice["plan"].get(name, 0):
            assert f"labels of {name}: from {labels:,} to {second.advice['plan'].get(name, 0):,}" in page
    why = page[page.index('id="changed"') :]  # a price needs no fit in between, so the page says what it did
    assert '<th scope="row">price</th>' in why
    ends = [significant(told.advice["net_benefit"]["mean"]) for told in (first, second)]
    assert f"<span>{ends[0]} to</span> <span>{ends[1]}</span>" in why
    assert why.index("<img ") < why.index("</table>")


def test_differences_name_inputs_decision_and_every_slice():
    before = {"fit": "F1", "advice": "buy", "plan": {"a": 0, "b": 4000}, "case_sha256": "x", "unit": "USD"}
    before |= {"net_benefit": {"mean": 1470.2}, "cost": {"mean": 400.0}, "settings": {"width": 1.0}}
    after = before | {"fit": "F2", "plan": {"a": 100, "b": 500}, "settings": {"width": 1.25}}
    after |= {"net_benefit": {"mean": 12.3}}
    assert differences(before, after) == (
        "fit: F2 instead of F1",
        "intervals: × 1.25 by the scorecard, × 1.00 before",
        "expected net benefit: from 1,470 USD to 12.3 USD",
        "labels of b: from 4,000 to 500",
        "labels of a: from 0 to 100",
    )
    assert differences(before, before) == ()
    none_left = {"fit": "F1", "advice": "no plan", "plan": {}, "case_sha256": "x"}
    assert differences(before, none_left) == ("advice: from buy to no plan", "labels of b: from 4,000 to 0")
