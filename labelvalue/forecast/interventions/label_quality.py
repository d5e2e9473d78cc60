"""Interventions on the labels' quality: votes, whose effect is exact, cleaning, guidelines."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from functools import cache, partial
from typing import Annotated, Any

import numpy as np

from labelvalue import names
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing
from labelvalue.quantities import Given, Quantity, ShareOf, quantity
from labelvalue.settings import AtLeastOne, Checks


def consensus_error(rates: Any, votes: int, classes: int = 2, correlation: Any = 0.0) -> Any:
    """Share of items that a majority of votes labels wrongly, ties broken by lot; ``rates`` of all votes or of each.

    A wrong vote names any other class with equal probability (Sheng, Provost and Ipeirotis 2008); with probability
    ``correlation`` all annotators answer an item alike, else they err independently.
    """
    each = list(rates) if isinstance(rates, Sequence) else [rates] * votes
    alike = sum(each) / votes
    right: Any = 0.0
    for wrong, probability in enumerate(_wrong_counts(each)):
        right = right + probability * _majority_is_right(votes - wrong, wrong, classes)
    return correlation * alike + (1.0 - correlation) * (1.0 - right)


def _wrong_counts(rates: list[Any]) -> list[Any]:
    """Probability of 0, 1, … wrong votes among independent ones with rates of their own."""
    counts: list[Any] = [1.0]
    for rate in rates:
        padded = [0.0, *counts, 0.0]
        counts = [before * rate + here * (1.0 - rate) for before, here in itertools.pairwise(padded)]
    return counts


@cache
def _majority_is_right(right: int, wrong: int, classes: int) -> float:
    """Probability that the right class wins given its votes; sequences of others by a generating function."""
    if right == 0:
        return 0.0 if wrong else 1.0 / classes
    fewer = np.array([1.0 / math.factorial(j) for j in range(min(right - 1, wrong) + 1)])
    total = 0.0
    for level in range(min(classes - 1, wrong // right) + 1):
        rest = wrong - level * right
        sequences = np.polynomial.polynomial.polypow(fewer, classes - 1 - level)
        ways = (sequences[rest] if rest < sequences.size else 0.0) / math.factorial(right) ** level
        total += math.comb(classes - 1, level) * ways / (1 + level)
    return float(total * math.factorial(wrong) / (classes - 1) ** wrong)


@dataclasses.dataclass(frozen=True)
class Consensus(Intervention):
    """Several votes on every item that is bought; the majority labels it.

    Its effect is computed from the share of wrong single votes, exactly. Its units are the extra votes.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention.
    votes : int
        Votes an item, ≥ 1.
    correlation : quantity
        Correlation between the annotators' errors, 0 ≤ c < 1.

    Examples
    --------
    >>> Consensus(3, correlation={"low": 0.05, "high": 0.3}).name
    'consensus'
    """

    votes: AtLeastOne
    correlation: ShareOf = 0.0
    _on_new = True

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        standing.need_noise(self.name)
        alike = standing.draw(f"{self.name}.correlation", self.correlation)
        after = consensus_error(changes.new_noise, int(self.votes), standing.classes, alike)
        return dataclasses.replace(changes, new_noise=after), standing.noise_origin

    def _units(self, now: Any, bought: Any) -> Any:
        return (self.votes - 1) * (0.0 * now + bought)


def _caught(checks: Checks, key: str, value: Any) -> Any:
    """A share that may be all of them."""
    return value if value == 1 else quantity(checks, key, value, share=True)


@dataclasses.dataclass(frozen=True)
class Relabel(Intervention):
    """A share of the labels there are is done again, or cleaned. Its units are the labels done again.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention.
    share : float
        Share of the labels done again, 0 < share ≤ 1.
    caught : quantity, optional
        Share of the wrong labels that are among them; the same share where they are picked at random, more where they
        are picked by suspicion.
    remaining : quantity
        Share of those done again that are wrong afterwards.

    Examples
    --------
    >>> Relabel(0.1, caught=0.6).remaining
    0.0
    """

    share: Annotated[float, partial(Checks.share, one=True)]
    caught: Annotated[Quantity | None, _caught] = None
    remaining: ShareOf = 0.0

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        standing.need_noise(self.name)
        caught = self.share if self.caught is None else standing.draw(f"{self.name}.caught", self.caught)
        left = changes.old_noise * (1.0 - caught)
        wrong = self.share * standing.draw(f"{self.name}.remaining", self.remaining)
        return dataclasses.replace(changes, old_noise=left + wrong), standing.noise_origin

    def _units(self, now: Any, bought: Any) -> Any:
        return self.share * (now + 0.0 * bought)


@dataclasses.dataclass(frozen=True)
class Guideline(Intervention):
    """Better guidelines: a share of the errors in new labels is no longer made, and old labels may be done again.

    Its units are the old labels done again.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention.
    factor : quantity
        Factor on the share of wrong labels, 0 ≤ factor; below 1 where the guidelines help.
    redone : float
        Share of the labels there are that are done again under the new guidelines, 0 to 1.

    Examples
    --------
    >>> Guideline({"low": 0.4, "high": 0.9}, redone=0.2, cost=2_000, delay=10).kind
    'guideline'
    """

    factor: Given
    redone: Annotated[float, partial(Checks.share, one=True, none=True)] = 0.0

    @property
    def acts_on_new(self) -> bool:
        """It does, unless old labels are done again."""
        return self.redone == 0

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        standing.need_noise(self.name)
        factor = standing.draw(f"{self.name}.factor", self.factor)
        most = (standing.classes - 1.0) / standing.classes - 1e-6
        after = (changes.new_noise * factor).clip(max=most)
        old = (1.0 - self.redone) * changes.old_noise + self.redone * after
        return dataclasses.replace(changes, new_noise=after, old_noise=old), names.ELICITED

    def _units(self, now: Any, bought: Any) -> Any:
        return self.redone * (now + 0.0 * bought)
