"""Rules that a plan must keep: limits with a probability, limits on labels, and who must agree."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from typing import Annotated, Any

import xarray as xr

from labelvalue import names
from labelvalue.numerals import PER_LABELS, readable
from labelvalue.settings import Amount, Checks, Count, Positive, Settings, Share, Text, listed, named, table, tables

TAKEN = (
    *(names.RECOMMENDED, names.NOTHING, names.WAITING),
    *(names.EQUAL_SPLIT, names.PROPORTIONAL_SPLIT, names.LABELS_ONLY),
)
"""Plans of every decision; what else is among its candidates, the case names."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule(Settings):
    """A limit that must be kept with a probability.

    Parameters
    ----------
    limit : float
        The limit, ≥ 0.
    probability : float
        Probability with which it must be kept, 0 < probability < 1.
    reason : str
        Why.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Rule(limit=2500, probability=0.9).limit
    2500
    """

    limit: Amount
    probability: Share = 0.9
    reason: Text = ""

    def __str__(self) -> str:
        return f"{readable(self.limit)} with probability {readable(self.probability)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpendLimit(Rule):
    """Money that all batches may cost together, those before the plan included.

    Parameters
    ----------
    limit : float
        Money, ≥ 0.
    probability : float
        Probability with which it must be kept, 0 < probability < 1.
    reason : str
        Why.
    spent : float
        Money that was spent before, ≥ 0; a project adds what the batches in its ledger cost.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> SpendLimit(limit=25_000, spent=24_000).left
    1000
    """

    spent: Amount = 0.0

    @property
    def left(self) -> float:
        """Money that may be spent yet; negative where more was spent than may be."""
        return self.limit - self.spent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Floor(Settings):
    """A quality that a slice must have: P(error of slice ≤ error) ≥ probability.

    Parameters
    ----------
    slice : str
        The slice.
    error : float
        Highest error allowed, > 0.
    probability : float
        Probability with which it must be kept, 0 < probability < 1.
    reason : str
        Why, such as the text of a regulation.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Floor(slice="west", error=0.08).probability
    0.9
    """

    slice: Text
    error: Positive
    probability: Share = 0.9
    reason: Text = ""


def _gain_per_thousand(outcomes: xr.Dataset, weights: xr.DataArray) -> xr.DataArray:
    """Drop in the weighted error that a thousand labels bring, of plans that buy any."""
    labels = outcomes[names.LABELS].sum(names.SLICE)
    gain = (outcomes[names.GAIN] * weights).sum(names.SLICE)
    return (gain / labels.where(labels > 0) * PER_LABELS).sel({names.PLAN: labels > 0})


def _gap(outcomes: xr.Dataset, weights: xr.DataArray) -> xr.DataArray:
    return outcomes[names.ERROR].max(names.SLICE) - outcomes[names.ERROR].min(names.SLICE)


def _row(amount: str | Callable[[xr.Dataset, xr.DataArray], xr.DataArray], words: str) -> dict[str, Any]:
    """Say what a rule holds, draw by draw, and in words; ``≥`` in them makes its limit a lower one.

    ``amount`` is a variable of the outcomes of plans, or a function of them and the slices' shares in the error.
    """
    return {"amount": amount, "words": words, "sign": -1.0 if "≥" in words else 1.0}


Limit = Annotated[Rule | None, table(Rule)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guardrails(Settings):
    """Rules that a plan must keep: each row with a limit is one, judged by search, verdict and page alike.

    Parameters
    ----------
    largest_gap : Rule, optional
        Distance between the errors of the worst slice and the best, at most.
    maximum_budget : Rule, optional
        Money that a plan costs at most.
    deadline : Rule, optional
        Days until the last label is there, at most.
    minimum_gain : Rule, optional
        Drop in the error averaged over slices (by volume) that 1,000 labels bring at least.
    maximum_spend : SpendLimit, optional
        Money that a plan and all batches before it cost at most.
    labels_in_all : int, optional
        Labels of all slices together after the plan, those of today included, at most.
    floors : tuple of Floor
        Qualities that single slices must have.
    overrun : float, optional
        Probability with which a plan may cost more than is set aside for it, its expected cost and a reserve,
        0 < overrun < 1. The reserve is withheld from what can be bought: every limit on money then holds with
        1 − overrun at least. Audits may use it. Where it is not given, the reserve is that of the maximum budget, or
        keeps P(overrun) at 0.1, and single limits hold with their own probabilities.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Guardrails(maximum_budget={"limit": 2500, "probability": 0.95}).maximum_budget.probability
    0.95
    """

    largest_gap: Limit = field(default=None, metadata=_row(_gap, "gap between slices ≤ {:g}"))
    maximum_budget: Limit = field(default=None, metadata=_row(names.COST, "cost ≤ {:,.10g}"))
    deadline: Limit = field(default=None, metadata=_row(names.DAYS, "days until the last label ≤ {:g}"))
    minimum_gain: Limit = field(default=None, metadata=_row(_gain_per_thousand, "gain per 1,000 labels ≥ {:g}"))
    maximum_spend: Annotated[SpendLimit | None, table(SpendLimit)] = None
    labels_in_all: Annotated[int | None, Checks.whole] = None
    floors: Annotated[tuple[Floor, ...], tables(Floor)] = ()
    overrun: Annotated[float | None, Checks.share] = None


ROWS = {row.name.replace("_", " "): row for row in dataclasses.fields(Guardrails) if row.metadata}
"""The rows of the table of rules by what they are called."""


def _own_name(checks: Checks, key: str, given: Any) -> Any:
    """A name that no plan of every decision has."""
    if isinstance(checks.text(key, given), str) and (not given.strip() or given in TAKEN):
        checks.wrong(key, f"{given!r} is taken or empty", "give it a name of its own")
    return given


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliceClass(Settings):
    """Slices of like stakes, such as those of high ones.

    Parameters
    ----------
    slices : tuple of str
        Its slices.
    stakes : float
        What an error costs in them, as a multiple of one elsewhere, ≥ 0; ``value.stakes`` of a slice goes first.
    minimum : int
        Labels that must be bought for all of them together.
    reason : str
        Why.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> SliceClass(slices=("nurses", "pilots"), stakes=3.0, minimum=500).stakes
    3.0
    """

    slices: Annotated[tuple[str, ...], listed(Checks.text, some=True)]
    stakes: Amount = 1.0
    minimum: Count = 0
    reason: Text = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario(Settings):
    """A plan that is held against the others by its name.

    Parameters
    ----------
    name : str
        What it is called.
    labels : mapping of str to int
        Labels by slice; slices not named get none.
    interventions : tuple of str
        What of the case's interventions it does.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Scenario(name="label uncertain regions", labels={"west": 800}).interventions
    ()
    """

    name: Annotated[str, _own_name]
    labels: Annotated[Mapping[str, int], named(Checks.whole)] = dataclasses.field(default_factory=dict)
    interventions: Annotated[tuple[str, ...], listed(Checks.text)] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval(Settings):
    """Somebody who must agree before a plan above a sum is carried out.

    Parameters
    ----------
    approver : str
        Who must agree, as ``labelvalue decide --approver`` will say it: a person or an office.
    above : float
        Expected cost from which on, ≥ 0; every plan that costs anything where it is 0.
    reason : str
        Why.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Approval(approver="head of data", above=1000).is_needed(1200.0)
    True
    """

    approver: Annotated[str, partial(Checks.text, said=True)]
    above: Amount = 0.0
    reason: Text = ""

    def is_needed(self, cost: float) -> bool:
        """Say whether a plan needs this approval.

        Parameters
        ----------
        cost : float
            Its expected cost.

        Returns
        -------
        bool
        """
        return cost > self.above

    def is_by(self, name: str) -> bool:
        """Say whether a name is that of the approver, capitals and spaces left aside.

        Parameters
        ----------
        name : str
            Who agreed.

        Returns
        -------
        bool
        """
        return alike(name, self.approver)


def alike(one: str, other: str) -> bool:
    """Say whether two texts are the same but for capitals and spaces."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliceLimit(Settings):
    """Limits on the labels that are bought for a slice.

    Parameters
    ----------
    minimum : int
        Labels that must be bought, ≥ 0.
    maximum : int, optional
        Labels that may be bought.
    available : int, optional
        Unlabelled items there are.
    usable : float
        Share of them that may be labelled and kept (consent, retention), 0 < share ≤ 1.
    minimum_evaluation : int
        Labels that the slice's evaluation set must hold; what is missing is bought with any plan.
    reason : str
        Why, such as the text of a regulation.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> SliceLimit(available=1000, usable=0.8, maximum=900).most
    800
    """

    minimum: Count = 0
    maximum: Annotated[int | None, Checks.whole] = None
    available: Annotated[int | None, Checks.whole] = None
    usable: Annotated[float, partial(Checks.share, one=True)] = 1.0
    minimum_evaluation: Count = 0
    reason: Text = ""

    def _together(self, checks: Checks) -> None:
        if not checks.problems and self.minimum > self.most:
            why = f"minimum {self.minimum} is more than may be bought, {self.most:,.0f}"
            checks.wrong("minimum", why, "lower it, or raise maximum or available")

    @property
    def most(self) -> float:
        """Labels that may be bought, infinite where nothing limits them."""
        there = math.inf if self.available is None else math.floor(self.available * self.usable + 1e-9)
        return min(there, math.inf if self.maximum is None else self.maximum)
