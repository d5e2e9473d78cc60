"""Numbers in sentences: short, and never with a power of ten, however much money is meant."""

import pytest
from hypothesis import given, strategies as st

from labelvalue.numerals import readable


@given(st.floats(-1e12, 1e12), st.integers(1, 6))
def test_no_powers_of_ten_and_as_near_as_the_figures_allow(value, figures):
    text = readable(value, figures)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - figures) * 1.01, abs=1e-11)


def test_money_of_a_verdict(fake_fit):
    """A plan worth more than ten thousand says so in digits."""
    from labelvalue import Case, decide

    case = Case(costs={"price_per_label": 1}, value={"per_error_point": 2_000_000})
    plan = decide(fake_fit, case, max_labels=4_000)
    assert "net benefit" in plan.verdict.reasons[0]
    assert "e+" not in " ".join(plan.verdict.reasons)
