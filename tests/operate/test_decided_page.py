"""The page that a re-fit of a project with a case writes: its decision is the one in the ledger."""

from __future__ import annotations

from pathlib import Path

from tests.operate.conftest import WITH_CASE, configure


def test_the_page_of_a_refit_holds_the_recorded_decision(decided):
    configure(decided, WITH_CASE)
    result = decided.refit(progress=False)
    page = Path(result.page).read_text("utf-8")
    assert f"Verdict: <strong>{result.advice['advice']}</strong>" in page
    for name, labels in result.advice["plan"].items():
        assert name in page
        assert f"{labels:,}" in page
    assert "Assumptions, and what follows if one is wrong" in page
    assert "case/costs.price_per_label" in page
    assert 'id="scorecard"' in page
    assert 'id="what-if-panel"' in page
