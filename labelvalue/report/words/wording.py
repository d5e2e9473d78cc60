"""Numbers and sentences as people read them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from labelvalue import names
from labelvalue.numerals import MINUS, MISSING, estimated, number, readable
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER

SHOWN = 0.05  # P(best) from which a rival is named
SECTIONS = ("costs", "value", "guardrails", "slices", "risk", "score")
"""Sections of a case, whose keys are written as words."""
CALLED = {
    "costs.retraining_fails/luck": "whether retraining works",
    "value.mix_changes[": "whether users' needs change",
    "value.per_error_point": "worth of an error point",
}
"""Inputs and numbers of a case as a reader without it would call them, by how their keys begin."""
LEAST_SHARE = 1e-4  # share that is told in figures; a smaller one is told as smaller
CLEAR = 0.95  # probability from which a page takes it that a slice is ahead, labels gain, or money is not lost


def decimals(widths: Iterable[float | None]) -> int:
    """Choose decimals that show two digits of a typical interval's width."""
    good = sorted(w for w in widths if w is not None and math.isfinite(w) and w > 0)
    if not good:
        return 3
    typical = good[len(good) // 2]
    return min(max(1 - math.floor(math.log10(typical)), 0), 8)


def probability(value: float | None) -> str:
    """Write a probability with two digits, never rounded to certainty."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value > 0.994:
        return "> 0.99"
    if value < 0.006:
        return "< 0.01"
    return f"= {value:.2f}"


def likely(value: float | None) -> str:
    """Write a probability that stands for itself."""
    return probability(value).removeprefix("= ")


def percent(value: float) -> str:
    """Write a probability or share as a percentage; one that is next to nothing is said to be."""
    if 0 < abs(value) < LEAST_SHARE:
        return "< 0.01 %" if value > 0 else f"> {MINUS}0.01 %"
    return f"{readable(100 * value, 2)} %".replace("-", MINUS)


def interval(row: Mapping[str, Any], digits: int) -> str:
    """Write the ends of an interval."""
    return f"{number(row[LOWER], digits)} to {number(row[UPPER], digits)}"


def spoken(key: str) -> str:
    """Write a key of a case as words; names of slices and what stands behind them stay as they are."""
    for start, said in CALLED.items():
        if key.startswith(start):
            rest = key.removeprefix(start)
            return f"{said}{rest.partition(']')[2] if start.endswith('[') else rest}"
    section, dot, rest = key.partition(".")
    if section not in SECTIONS or not dot:
        return key
    own, dot, name = rest.partition(".")
    return f"{section}: {own.replace('_', ' ')}" + (f", {name}" if dot else "")


def sentence(said: Mapping[str, Any], ci_prob: float) -> str:
    """Put the decision of one learner into a sentence."""
    digits = decimals([said[UPPER] - said[LOWER]])
    gain = estimated(said[MEAN], said.get(names.MCSE), number(said[MEAN], digits))
    start = "" if said[names.LEARNER] is None else f"With learner “{said[names.LEARNER]}”, "
    after = said[names.ERROR_NOW] - said[MEAN]
    labels = f"next {said[names.BUDGET]:,} labels"
    where = f"the {labels} are worth most in slice"
    if said["runner_up"] is None:
        where = f"the {labels} go to slice"
    elif said["tie"]:
        where = f"it is a tie where the {labels} are worth most. A little ahead is slice"
    return (
        f"{start}{where if start else where[0].upper() + where[1:]} “{said[names.SLICE]}”: "
        f"{'there ' if said['tie'] else ''}they are expected to {'lower' if said[MEAN] >= 0 else 'change'} the error "
        f"from {number(said[names.ERROR_NOW], digits)} to {number(after, digits)}, a gain of {gain} "
        f"({percent(ci_prob)} credible interval {interval(said, digits)}; P(gain > 0) "
        f"{probability(said[P_POSITIVE])}), about {percent(said['share_of_error'])} of the error there now."
    )


def comparison(said: Mapping[str, Any]) -> str:
    """Say how surely the best slice is told from the others."""
    runner = said["runner_up"]
    if runner is None:
        return "There is only one slice, so there is nothing to compare it with."
    best, next_best = f"“{said[names.SLICE]}”", f"“{runner[names.SLICE]}”"
    chance = f"P(best) {probability(said[names.P_BEST])}"
    ahead = f"its gain is the larger of the two with probability {likely(runner['p_ahead'])}"
    if said["tie"]:
        others = [r for r in said["rivals"] if r[names.P_BEST] >= SHOWN][:3]
        listed = ", ".join(f"“{rival[names.SLICE]}” {rival[names.P_BEST]:.2f}" for rival in others)
        also = f"; P(best) of others: {listed}" if others else ""
        return f"{best} has only {chance} and cannot be told apart from the runner-up {next_best}: {ahead}{also}."
    lead = "clearly ahead of" if runner["p_ahead"] >= CLEAR else "probably, not surely, ahead of"
    return f"{best} is {lead} the runner-up {next_best}: {chance}, and {ahead}."


ALWAYS = (
    ("slice, error", "A part of the data; its error falls as labels are added, along its learning curve."),
    ("gain", "The drop in a slice's expected error when so many labels are bought for it alone."),
    ("impact", "Expected drop in error from one more label, at today's rate."),
    (
        "{ci} credible interval",
        "Holds the true value with probability {ci}, given the data and the assumptions of section {limits}; "
        "equal-tailed: as likely above it as below.",
    ),
    ("P(gain > 0)", "Probability that the labels help at all."),
    (
        "P(best), tie",
        "Probability that a slice's gain, or a plan's net benefit, is the largest; below 0.7 a tie.",
    ),
    ("draw", "One set of values for everything uncertain; all figures are over draws."),
    (
        "doubling, validated distance",
        "How often the labels of the largest size observed are doubled; how far such forecasts were checked.",
    ),
)
DECIDED = (
    ("verdict", "What to do: buy, wait, measure first, or spend on quality."),
    ("net benefit, ENB", "Worth of the gain less all costs, against doing nothing; its expectation."),
    ("guardrail", "A rule that a plan must keep with a stated probability."),
    ("case", "What the project says of prices, of the worth of a lower error, and of its rules."),
    (
        "VaR, CVaR",
        "Loss that only the worst tail of draws exceeds, and the mean of that tail; a negative one is a gain.",
    ),
    ("EVPI, EVPPI", "Worth of knowing everything, or one input: the most that measuring may cost."),
    ("EVSI, ENBS", "Worth of deciding after a measurement, and what is left when that is paid."),
    ("frontier", "The gains that money can buy, the best split for each sum."),
    ("Monte Carlo error", "How far a figure would scatter if as many draws were made anew."),
)


CHECKED = (
    (
        "CRPS, interval score",
        "How far a forecast, or its interval, lay from what came, in the unit of the error; lower is better.",
    ),
    ("bias", "Mean of what was forecast less what was measured."),
)  # words of a backtest and of the scorecard


def words(numbers: Mapping[str, Any], limits: int) -> list[tuple[str, str]]:
    """List the words that a page uses, with their meanings."""
    checked = numbers.get(names.BACKTEST) or numbers.get("scorecard")
    every = ALWAYS + (DECIDED if numbers.get("plan") else ()) + (CHECKED if checked else ())
    said = {"ci": percent(numbers[names.CI_PROB]), "limits": limits}
    return [(word.format(**said), meaning.format(**said)) for word, meaning in every]
