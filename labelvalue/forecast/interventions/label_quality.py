"""Interventions on the labels' quality: votes, cleaning, guidelines."""

import dataclasses
from functools import partial
from typing import Annotated, Any

from labelvalue import names
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing
from labelvalue.forecast.interventions.votes import consensus_error
from labelvalue.quantities import Given, Quantity, ShareOf, quantity
from labelvalue.settings import AtLeastOne, Checks


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
