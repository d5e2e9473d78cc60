"""A project's own guardrails in words, taken from what the rules themselves are judged to be."""

import re

import pytest

from labelvalue import names, predict_error, predict_gain, write_report
from labelvalue.operate.refit.guardrails import evaluate
from labelvalue.operate.store.configuration import Guardrails
from labelvalue.report.numbers.exports import summary_text
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.words.project import Context, guardrail_numbers


def told(fit, spent=None, **rules):
    return guardrail_numbers(evaluate(fit, Guardrails(**rules), spent))


def test_money_and_labels(fake_fit):
    have = int(fake_fit.position[names.LABELS_NOW].sum())
    assert told(fake_fit, 500.0, maximum_spend=400)["sentence"] == (
        "The project's guardrails say stop: batches may cost 400 in all, and 500 is spent."
    )
    assert told(fake_fit, 300.0, maximum_spend=400)["sentence"] == "The project's guardrail is kept."
    assert told(fake_fit, None, maximum_spend=400)["sentence"] == (
        "The project's guardrails are undecided: batches may cost 400 in all, and what was spent is not known."
    )
    both = told(fake_fit, 500.0, maximum_spend=400, maximum_labels=have)
    assert both["state"] == "STOP"
    assert f"all slices together may have {have:,} labels, and have {have:,}; batches may cost" in both["sentence"]
    assert told(fake_fit, 1.0, maximum_spend=400, maximum_labels=have + 1)["sentence"].startswith("All 2 guardrails")


@pytest.mark.parametrize("least", [1e-6, 10.0])
def test_the_least_gain_names_the_likeliest_slice(fake_fit, least):
    said = told(fake_fit, minimum_gain_per_1000=least, batch_labels=500)
    reached = (predict_gain(fake_fit, [500]).isel(budget=0) >= least / 2).mean(names.SAMPLE)
    best = str(reached[names.SLICE].values[int(reached.values.argmax())])
    assert said["state"] == ("PASS" if least < 1 else "STOP")
    assert (
        f"the next 500 labels of some slice must bring {'0.00000100' if least < 1 else '10.0'} per 1,000"
        in said["rows"][0]["words"]
    )
    assert f"those of {best!r}, the likeliest" in said["rows"][0]["words"]


def test_an_error_limit_that_is_open_says_what_would_decide_it(fake_fit):
    now = int(fake_fit.position[names.LABELS_NOW].sel(slice="west"))
    error = predict_error(fake_fit, [now + 500]).sel(slice="west")
    limit = float(error.quantile(0.6))
    said = told(fake_fit, error_limits={"west": limit}, batch_labels=500)
    assert said["state"] == "INCONCLUSIVE"
    assert "the error of 'west' must be at most" in said["sentence"]
    assert "is with probability 0.60" in said["sentence"]
    assert re.search(r"\((no number of labels in reach|[\d,]+ labels) would decide it\)", said["sentence"])


def test_what_stops_stands_where_the_advice_would(fake_fit, seen, tmp_path):
    """On a page without a plan, and in the lines for a chat; what is not there is not spoken of."""
    rules = tuple(evaluate(fake_fit, Guardrails(maximum_spend=400), 500.0))
    context = Context(guardrails=rules)
    page = write_report(fake_fit, path=tmp_path / "a.html", budgets=[500], context=context).read_text("utf-8")
    words = seen(page).words
    assert "The project's guardrails say stop: batches may cost 400 in all, and 500 is spent." in words
    numbers = report_numbers(fake_fit, budgets=[500], context=context)
    assert summary_text(numbers).splitlines()[0] == numbers["guardrails"]["sentence"]
    assert report_numbers(fake_fit, budgets=[500])["guardrails"] is None
