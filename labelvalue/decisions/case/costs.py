"""What labels cost: prices, tiers, rework, batches, time, and retraining of each learner that is kept."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np

from labelvalue.quantities import BySlice, Given, Quantity, ShareOf, quantity
from labelvalue.settings import Amount, Checks, Count, Settings, Text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tier(Settings):
    """A volume discount: labels of an order from this one on cost a share of the price.

    Parameters
    ----------
    above : int
        Labels of the order that are charged in full, or at the tier below.
    factor : float
        What later labels cost, as a share of the price, ≥ 0.

    Raises
    ------
    InputError
        If a number is none, or negative.

    Examples
    --------
    >>> Tier(above=10_000, factor=0.8).factor
    0.8
    """

    above: Count
    factor: Amount


def _ascending(checks: Checks, key: str, given: Any) -> tuple[Tier, ...]:
    return tuple(sorted(checks.sections(key, Tier, given), key=lambda tier: tier.above))


def _pace(checks: Checks, key: str, given: Any) -> Any:
    if given == 0:
        checks.wrong(key, "must be > 0", "leave it out where labels take no time", 0)
    return quantity(checks, key, given)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs(Settings):
    """Costs of labels; money is in the currency of the case, and every quantity may be an interval or branches.

    The labels that a plan buys for one slice are one *order*: tiers and the minimum order go by it.

    Parameters
    ----------
    price_per_label : quantity, or mapping of str to quantity
        For all slices, or by slice; ``default`` stands for those not named.
    tiers : tuple of Tier
        Volume discounts of an order.
    minimum_order : int
        Labels of an order that are charged at least, wherever any is bought.
    rework : quantity
        Share of labels that are paid for a second time, 0 ≤ share < 1.
    setup_per_batch : quantity
        Fixed cost of a batch.
    batch_size : int, optional
        Most labels in a batch, all slices together; without it, a plan is one batch.
    retraining : quantity
        Cost of retraining, once a plan that buys anything.
    compute_per_hour : quantity
        What an hour of training costs beside it; the runs' ``seconds`` tell how many a training on today's labels
        takes.
    retraining_fails : quantity
        Probability that retraining brings nothing and the model stays as it is, 0 ≤ p < 1.
    labels_per_day : quantity, optional
        Labels that all annotators together deliver a day; without it, labels take no time.
    start_delay : quantity
        Days until the first label.
    delay_per_day : quantity
        Cost of a day until the last label is there, beside the value lost while waiting (``Value.horizon_days``).
    hours_per_label : quantity, or mapping of str to quantity
        Hours of annotators' time a label takes.
    opportunity_per_hour : quantity
        What such an hour would be worth elsewhere.
    opportunity_per_day : quantity
        What a day of the project would be worth elsewhere.
    currency : str
        Currency of all money here.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Costs(price_per_label={"default": 0.08, "west": {"low": 0.1, "high": 0.3}}).minimum_order
    0
    """

    price_per_label: BySlice
    tiers: Annotated[tuple[Tier, ...], _ascending] = ()
    minimum_order: Count = 0
    rework: ShareOf = 0.0
    setup_per_batch: Given = 0.0
    batch_size: Annotated[int | None, partial(Checks.whole, least=1)] = None
    retraining: Given = 0.0
    compute_per_hour: Given = 0.0
    retraining_fails: ShareOf = 0.0
    labels_per_day: Annotated[Quantity | None, _pace] = None
    start_delay: Given = 0.0
    delay_per_day: Given = 0.0
    hours_per_label: BySlice = 0.0
    opportunity_per_hour: Given = 0.0
    opportunity_per_day: Given = 0.0
    currency: Text = ""


type Learner = str | Sequence[str] | Mapping[str, float]
"""One name; several, of which the one with the lowest error counts; or shares of the items that each predicts."""


def learner_or_portfolio(checks: Checks, key: str, given: Any) -> Any:
    """Expect a name, a list of names, or a table of names and their shares, which are scaled to sum to 1."""
    if isinstance(given, Mapping):
        before = len(checks.problems)
        shares = checks.by_name(key, given, partial(Checks.number, above=True))
        if not shares:
            checks.wrong(key, "names none", "give at least one, or leave the key out")
        fine = len(checks.problems) == before
        return {name: share / sum(shares.values()) for name, share in shares.items()} if fine else given
    if isinstance(given, str):
        return given
    listed = checks.several(key, given, partial(Checks.text, said=True), "a name, or a list of them")
    if not listed and np.iterable(given):
        checks.wrong(key, "names none", "give at least one, or leave the key out")
    for name in sorted({str(name) for name in listed if listed.count(name) > 1}):
        checks.wrong(key, f"{name!r} is given twice", "name it once")
    return listed[0] if len(listed) == 1 else listed


def learner_names(learner: Learner) -> list[str]:
    """Name the learners that are kept: one, those of a portfolio, or an empty name where none is stated."""
    return [learner] if isinstance(learner, str) else [*learner]


def joined(learner: Learner, errors: Sequence[Any]) -> Any:
    """Join errors of the learners that are kept, in their order: the lowest of them, or their mean by shares."""
    if isinstance(learner, Mapping):
        return sum(share * error for share, error in zip(learner.values(), errors, strict=True))
    return functools.reduce(np.minimum, errors)
