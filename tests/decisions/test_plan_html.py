"""Plans and verdicts as a notebook shows them."""

import dataclasses

import labelvalue as lv
from labelvalue import testing
from labelvalue.plans import Verdict


def test_a_plan_shows_its_verdict_and_every_slice_literally():
    fit = testing.fake_fit(seed=1, slices=("<b>east</b>", "west"), draws=50)
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    plan = lv.decide(fit, case, max_labels=900, measure=False)
    shown = plan._repr_html_()
    assert "<strong>buy</strong>" in shown
    assert "&lt;b&gt;east&lt;/b&gt;" in shown
    assert "<b>" not in shown
    for row in plan.table().itertuples():
        assert f"{row.gain:.4f}" in shown
        assert str(row.labels) in shown
    bad = dataclasses.replace(plan, verdict=Verdict("wait", ("<script>",)))
    assert "<script>" not in bad._repr_html_()
