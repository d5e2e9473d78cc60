"""The technical words of the page, each explained once, where it stands first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.report.wording import percent

ALWAYS = (
    ("slice, error", "A slice is a part of the data. Its error falls as labels are added, along its learning curve."),
    ("gain", "The drop in a slice's expected error when so many labels are bought for it alone."),
    ("impact", "Expected drop in error from one more label, at today's rate."),
    (
        "{ci} credible interval",
        "Holds the true value with probability {ci}, given the data and the assumptions of section {limits}. It is "
        "equal-tailed: the value is as likely to lie above it as below.",
    ),
    ("P(gain > 0)", "Probability that the labels help at all."),
    (
        "P(best), tie",
        "P(best) is the probability that a slice's gain, or a plan's net benefit, is the largest of all. If that of "
        "the first slice is below 0.7, it is called a tie.",
    ),
    ("draw", "One set of values for everything that is uncertain, as likely as any other; all figures are over draws."),
    (
        "doubling, validated distance",
        "How often the labels of the largest size observed must be doubled to get to a size; and the distance up to "
        "which such forecasts were checked on real curves.",
    ),
)
DECIDED = (
    ("verdict", "What to do: buy, wait, measure first, or spend on quality."),
    (
        "net benefit, ENB",
        "What the gain is worth by the case, less labels, waiting and retraining; ENB is its expectation. Both are "
        "against doing nothing.",
    ),
    (
        "guardrail",
        "A rule of the case that a plan must keep with a stated probability, or one of the project that says stop.",
    ),
    ("case", "What the project says of prices, of the worth of a lower error, and of its rules."),
    (
        "VaR, CVaR",
        "Of the loss against doing nothing: VaR is exceeded only in the worst tail of the draws, CVaR is the mean of "
        "that tail. A negative one is money gained even then.",
    ),
    (
        "EVPI, EVPPI",
        "What it would be worth to know everything, or one input, exactly before deciding: the most that any "
        "measurement of it may cost.",
    ),
    (
        "EVSI, ENBS",
        "What deciding after a measurement is worth (EVSI), and what is left of that when it is paid (ENBS).",
    ),
    ("frontier", "The gains that money can buy, the best split for each sum."),
    ("Monte Carlo error", "How far a figure would scatter if as many draws were made anew."),
)


CHECKED = (
    (
        "CRPS, interval score",
        "How far a whole forecast, or its interval, lay from what was then measured, in the unit of the error; lower "
        "is better.",
    ),
    ("bias", "Mean of what was forecast less what was measured."),
)
"""Words of a backtest and of the scorecard."""


def words(numbers: Mapping[str, Any], limits: int) -> list[tuple[str, str]]:
    """List the words that a page uses, with their meanings.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.numbers.report_numbers`.
    limits : int
        Number of the section of assumptions.

    Returns
    -------
    list of (word, meaning)

    Examples
    --------
    >>> words({"ci_prob": 0.9, "plan": None}, 6)[3][0]
    '90 % credible interval'
    """
    checked = numbers.get(names.BACKTEST) or numbers.get("scorecard")
    every = ALWAYS + (DECIDED if numbers.get("plan") else ()) + (CHECKED if checked else ())
    said = {"ci": percent(numbers[names.CI_PROB]), "limits": limits}
    return [(word.format(**said), meaning.format(**said)) for word, meaning in every]
