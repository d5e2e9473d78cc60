"""Numbers and sentences as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from labelvalue import names
from labelvalue.numerals import MINUS, MISSING, estimated, number
from labelvalue.report.tables import LOWER, MEAN, P_POSITIVE, UPPER

SHOWN = 0.05
"""P(best) from which a rival is named."""
SECTIONS = ("costs", "value", "guardrails", "slices", "risk", "score")
"""Sections of a case, whose keys are written as words."""
CLEAR = 0.95
"""Probability of being ahead of the runner-up from which the best slice is clearly ahead."""


def decimals(widths: Iterable[float | None]) -> int:
    """Choose decimals that show two digits of a typical interval's width.

    Parameters
    ----------
    widths : iterable of float
        Upper minus lower ends; what is not positive and finite is passed over.

    Returns
    -------
    int
        0 to 8.

    Examples
    --------
    >>> decimals([0.004, 0.006])
    4
    """
    good = sorted(w for w in widths if w is not None and math.isfinite(w) and w > 0)
    if not good:
        return 3
    typical = good[len(good) // 2]
    return min(max(1 - math.floor(math.log10(typical)), 0), 8)


def probability(value: float | None) -> str:
    """Write a probability with two digits, never rounded to certainty.

    Parameters
    ----------
    value : float or None
        0 to 1.

    Returns
    -------
    str
        With its sign of comparison, ready to follow ``P(…)``.

    Examples
    --------
    >>> probability(0.87), probability(0.9993), probability(0.001)
    ('= 0.87', '> 0.99', '< 0.01')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value > 0.994:
        return "> 0.99"
    if value < 0.006:
        return "< 0.01"
    return f"= {value:.2f}"


def likely(value: float | None) -> str:
    """Write a probability that stands for itself.

    Parameters
    ----------
    value : float or None
        0 to 1.

    Returns
    -------
    str
        As :func:`probability`, without the equals sign.

    Examples
    --------
    >>> likely(0.87), likely(0.999)
    ('0.87', '> 0.99')
    """
    return probability(value).removeprefix("= ")


def percent(value: float) -> str:
    """Write a probability or share as a percentage.

    Parameters
    ----------
    value : float
        0 to 1.

    Returns
    -------
    str
        With a space before the sign.

    Examples
    --------
    >>> percent(0.9), percent(0.034)
    ('90 %', '3.4 %')
    """
    return f"{float(f'{100 * value:.2g}'):g} %".replace("-", MINUS)


def interval(row: Mapping[str, Any], digits: int) -> str:
    """Write the ends of an interval.

    Parameters
    ----------
    row : mapping
        With ``lower`` and ``upper``.
    digits : int
        Decimals.

    Returns
    -------
    str
        Text.

    Examples
    --------
    >>> interval({"lower": 0.01, "upper": 0.02}, 2)
    '0.01 to 0.02'
    """
    return f"{number(row[LOWER], digits)} to {number(row[UPPER], digits)}"


def spoken(key: str) -> str:
    """Write a key of a case as words; names of slices and what stands behind them stay as they are.

    Parameters
    ----------
    key : str
        Such as ``costs.price_per_label.west``; other texts come back unchanged.

    Returns
    -------
    str
        Text.

    Examples
    --------
    >>> spoken("costs.price_per_label.my_slice ÷ 2, × 2"), spoken("gain of my_slice")
    ('costs: price per label, my_slice ÷ 2, × 2', 'gain of my_slice')
    """
    section, dot, rest = key.partition(".")
    if section not in SECTIONS or not dot:
        return key
    own, dot, name = rest.partition(".")
    return f"{section}: {own.replace('_', ' ')}" + (f", {name}" if dot else "")


Part = tuple[str, bool]
"""A piece of a sentence, and whether it is a name given by the user."""


def sentence(said: Mapping[str, Any], ci_prob: float) -> list[Part]:
    """Put the decision of one learner into a sentence.

    Parameters
    ----------
    said : mapping
        From :func:`labelvalue.report.decision.decide`.
    ci_prob : float
        Probability of its interval.

    Returns
    -------
    list of (text, is a name)
        Pieces to join; names are marked so that a page can set them apart.

    Examples
    --------
    >>> said = {"learner": None, "budget": 500, "slice": "fr", "mean": 0.02, "lower": 0.01, "upper": 0.03,
    ...         "p_positive": 0.99, "error_now": 0.25, "share_of_error": 0.08, "tie": False}
    >>> "".join(text for text, _ in sentence(said, 0.9))[:47]
    'The next 500 labels are worth most in slice fr:'
    """
    digits = decimals([said[UPPER] - said[LOWER]])
    gain = estimated(said[MEAN], said.get(names.MCSE), number(said[MEAN], digits))
    start: list[Part] = []
    if said[names.LEARNER] is not None:
        start = [("With learner ", False), (said[names.LEARNER], True), (", ", False)]
    after = said[names.ERROR_NOW] - said[MEAN]
    verb = "lower" if said[MEAN] >= 0 else "change"
    labels = f"next {said[names.BUDGET]:,} labels"
    where = f"the {labels} are worth most in slice "
    if said["tie"]:
        where = f"it is a tie where the {labels} are worth most. A little ahead is slice "
    if not start:
        where = where[0].upper() + where[1:]
    return [
        *start,
        (where, False),
        (said[names.SLICE], True),
        (
            f": {'there ' if said['tie'] else ''}they are expected to {verb} the error from "
            f"{number(said[names.ERROR_NOW], digits)} to {number(after, digits)}, a gain of "
            f"{gain} ({percent(ci_prob)} credible interval {interval(said, digits)}; "
            f"P(gain > 0) {probability(said[P_POSITIVE])}), about {percent(said['share_of_error'])} of the "
            "error there now.",
            False,
        ),
    ]


def comparison(said: Mapping[str, Any]) -> list[Part]:
    """Say how surely the best slice is told from the others.

    Parameters
    ----------
    said : mapping
        From :func:`labelvalue.report.decision.decide`.

    Returns
    -------
    list of (text, is a name)
        Pieces to join.

    Examples
    --------
    >>> comparison({"runner_up": None})[0][0]
    'There is only one slice, so there is nothing to compare it with.'
    """
    runner = said["runner_up"]
    if runner is None:
        return [("There is only one slice, so there is nothing to compare it with.", False)]
    best, next_best = (said[names.SLICE], True), (runner[names.SLICE], True)
    chance = f"P(best) {probability(said[names.P_BEST])}"
    ahead = f"its gain is the larger of the two with probability {likely(runner['p_ahead'])}"
    if said["tie"]:
        others = [r for r in said["rivals"] if r[names.P_BEST] >= SHOWN][:3]
        listed: list[Part] = []
        for i, rival in enumerate(others):
            listed += [(", " if i else "; P(best) of others: ", False), (rival[names.SLICE], True)]
            listed.append((f" {rival[names.P_BEST]:.2f}", False))
        return [
            best,
            (f" has only {chance} and cannot be told apart from the runner-up ", False),
            next_best,
            (f": {ahead}", False),
            *listed,
            (".", False),
        ]
    lead = "clearly ahead of" if runner["p_ahead"] >= CLEAR else "probably, not surely, ahead of"
    return [best, (f" is {lead} the runner-up ", False), next_best, (f": {chance}, and {ahead}.", False)]
