"""What all interventions have: a name, a cost, a delay, and an effect on the curves."""

from __future__ import annotations

import dataclasses
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks, put
from labelvalue.forecast.changes import Changes, Standing
from labelvalue.forecast.draws import draws
from labelvalue.model import Fit
from labelvalue.quantities import Quantity, quantity

KINDS = {
    "Guideline": "guideline",
    "Relabel": "relabel",
    "Consensus": "consensus",
    "ActiveLearning": "active learning",
    "SyntheticData": "synthetic data",
    "Pretraining": "pre-training",
    "NewLearner": "new learner",
    "EvaluationLabels": "evaluation labels",
}
"""Kinds, in the order in which they act: guidelines come before votes, whatever order they are given in."""


@dataclasses.dataclass(frozen=True)
class Intervention:
    """Something that is bought instead of plain labels, or beside them: what all of them have.

    Parameters
    ----------
    name : str
        What it is called; two of one kind need two names.
    cost : quantity
        Money, once.
    unit_cost : quantity, optional
        Money for each of its units (an extra vote, a redone label, a synthetic example …); the price of a plain label
        where none is given.
    delay : quantity
        Days by which it puts off the gain.
    slices : tuple of str
        Slices that it is done for; all where none is named.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> from labelvalue.forecast import Consensus
    >>> Consensus(3, cost=500).delay
    0.0
    """

    name: str = dataclasses.field(default="", kw_only=True)
    cost: Quantity = dataclasses.field(default=0.0, kw_only=True)
    unit_cost: Quantity | None = dataclasses.field(default=None, kw_only=True)
    delay: Quantity = dataclasses.field(default=0.0, kw_only=True)
    slices: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        checks = Checks()
        checks.text("name", self.name)
        put(self, name=self.name or self.kind)
        for key in ("cost", "delay"):
            put(self, **{key: quantity(checks, key, getattr(self, key))})
        if self.unit_cost is not None:
            put(self, unit_cost=quantity(checks, "unit_cost", self.unit_cost))
        given: Any = self.slices
        if isinstance(given, str) or not all(isinstance(name, str) for name in given):
            checks.wrong("slices", "expected a list of slices", "write ['fr', 'de']", given)
        else:
            put(self, slices=tuple(given))
        self._check(checks)
        checks.finish()

    def _check(self, checks: Checks) -> None:
        """Note what is wrong with the fields that a kind adds."""

    @property
    def kind(self) -> str:
        """What kind of intervention it is, in words."""
        return KINDS.get(type(self).__name__, type(self).__name__)

    @property
    def acts_on_new(self) -> bool:
        """Whether it acts through the labels bought, and brings nothing without any."""
        return False

    def change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        """Return what it changes, on top of what others have changed, and where its effect comes from.

        Parameters
        ----------
        standing : Standing
            Where the forecast stands.
        changes : Changes
            Changes by what comes before it.

        Returns
        -------
        changes : Changes
            All changes.
        origin : str
            ``from runs``, ``from annotations`` or ``elicited``.
        """
        return self._change(standing, changes)

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        return changes, names.ELICITED

    def units(self, now: Any, bought: Any) -> Any:
        """Return how many units are paid for.

        Parameters
        ----------
        now : float or DataArray
            Labels there are.
        bought : float or DataArray
            Labels bought beside it.

        Returns
        -------
        same kind
            0 for what is paid once only.
        """
        return self._units(now, bought)

    def _units(self, now: Any, bought: Any) -> Any:
        return 0.0 * (now + bought)

    def money(self, fit: Fit, bought: Any, price: Quantity = 0.0) -> xr.DataArray:
        """Draw what its units cost, slice by slice; ``fixed_money`` comes on top, once.

        Parameters
        ----------
        fit : Fit
            Gives labels now, draws and seed.
        bought : float or DataArray
            Plain labels bought beside it, by slice.
        price : quantity
            Price of a plain label, where units have none of their own.

        Returns
        -------
        xarray.DataArray
            Dims of slice and of what was bought, chain and draw.

        Examples
        --------
        >>> from labelvalue.forecast import Consensus
        >>> from labelvalue.testing import fake_fit
        >>> Consensus(3).money(fake_fit(seed=1), 500, price=0.1).values.tolist()
        [100.0, 100.0, 100.0, 100.0]
        """
        each = price if self.unit_cost is None else self.unit_cost
        key = "costs.price_per_label" if self.unit_cost is None else f"{self.name}.unit_cost"
        units = self.units(fit.position[names.LABELS_NOW].reset_coords(drop=True), bought)
        return units * draws(fit, key, each) * self.done_for(units)

    def fixed_money(self, fit: Fit) -> xr.DataArray:
        """Draw what it costs once.

        Parameters
        ----------
        fit : Fit
            Gives draws and seed.

        Returns
        -------
        xarray.DataArray
            Dims chain and draw where it is uncertain.

        Examples
        --------
        >>> from labelvalue.forecast import Guideline
        >>> from labelvalue.testing import fake_fit
        >>> float(Guideline(0.5, cost=800).fixed_money(fake_fit(seed=1)))
        800.0
        """
        return draws(fit, f"{self.name}.cost", self.cost)

    def days(self, fit: Fit) -> xr.DataArray:
        """Draw the days by which it puts off the gain.

        Parameters
        ----------
        fit : Fit
            Gives draws and seed.

        Returns
        -------
        xarray.DataArray
            Dims chain and draw where it is uncertain.

        Examples
        --------
        >>> from labelvalue.forecast import Guideline
        >>> from labelvalue.testing import fake_fit
        >>> float(Guideline(0.5, delay=14).days(fake_fit(seed=1)))
        14.0
        """
        return draws(fit, f"{self.name}.delay", self.delay)

    def done_for(self, values: xr.DataArray) -> xr.DataArray:
        """Return 1 for slices it is done for, else 0.

        Parameters
        ----------
        values : DataArray
            Has dim slice.

        Returns
        -------
        xarray.DataArray, dim slice
        """
        there = values[names.SLICE]
        chosen = [not self.slices or str(name) in self.slices for name in there.values]
        return xr.DataArray([float(c) for c in chosen], dims=names.SLICE, coords={names.SLICE: there.values})
