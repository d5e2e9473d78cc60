"""Numbers that are known exactly, within an interval, or as branches with probabilities."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
import scipy

from labelvalue.numerals import readable
from labelvalue.settings import Amount, Checks, Settings, Text, in_words, is_number

DISTRIBUTIONS = ("lognormal", "logitnormal", "uniform")
TOLERANCE = 1e-9  # how far probabilities of branches may be from summing to 1


def _distribution(checks: Checks, key: str, given: Any) -> Any:
    return given if given == "" else checks.text(key, given, DISTRIBUTIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval(Settings):
    """A number that lies between two others with a stated probability, as much below as above.

    Parameters
    ----------
    low, high : float
        Ends of the interval, low < high.
    probability : float
        Probability of the interval, 0 < probability < 1; ``uniform`` alone may have 1.
    distribution : {"lognormal", "logitnormal", "uniform"}, optional
        By default ``lognormal``, and ``logitnormal`` for what is a share.

    Raises
    ------
    InputError
        If the ends are not in order, or outside what the distribution can hold.

    Examples
    --------
    >>> Interval(low=0.05, high=0.2).probability
    0.9
    """

    low: Amount
    high: Amount
    probability: Annotated[float, partial(Checks.share, one=True)] = 0.9
    distribution: Annotated[str, _distribution] = ""

    def __str__(self) -> str:
        usual = "" if self.probability == 0.9 else f" ({readable(100 * self.probability)} %)"
        return f"{readable(self.low)} to {readable(self.high)}{usual}"

    def _together(self, checks: Checks) -> None:
        if checks.problems:
            return
        if self.probability == 1 and self.distribution != "uniform":
            checks.share("probability", self.probability)
        elif not self.low < self.high:
            checks.wrong("low", f"low {self.low} is not below high {self.high}", "give the smaller number as low")
        elif self.distribution == "uniform" and self.quantile(0.0) < 0:
            checks.wrong("low", "the distribution reaches below 0", "raise low, or give probability = 1")
        elif self.distribution != "uniform" and self.low == 0:
            checks.wrong("low", "must be > 0", "give a small number, or distribution = 'uniform'", self.low)
        elif self.distribution == "logitnormal" and self.high >= 1:
            checks.wrong("high", "must be a share below 1", "give a share such as 0.2", self.high)

    def quantile(self, probability: float | np.ndarray) -> Any:
        """Return the value below which a draw falls with a probability.

        Parameters
        ----------
        probability : float or array
            0 to 1.

        Returns
        -------
        float or array
            Quantiles.

        Examples
        --------
        >>> Interval(low=1.0, high=100.0).quantile(0.5).round(9)
        np.float64(10.0)
        """
        if self.distribution == "uniform":
            width = (self.high - self.low) / self.probability
            return (self.low + self.high) / 2 + width * (np.asarray(probability) - 0.5)
        share = self.distribution == "logitnormal"
        to, back = (scipy.special.logit, scipy.special.expit) if share else (np.log, np.exp)
        center, half = (to(self.low) + to(self.high)) / 2, (to(self.high) - to(self.low)) / 2
        return back(center + half * scipy.special.ndtri(probability) / scipy.special.ndtri(0.5 + self.probability / 2))


UNIT_INTERVAL = Interval(low=0.0, high=1.0, probability=1.0, distribution="uniform")


def _one(checks: Checks, key: str, value: Any, *, share: bool = False) -> Any:
    """A number or an interval."""
    if isinstance(value, (Mapping, Interval)):
        return _settled(checks, key, checks.section(key, Interval, value), share)
    if share and is_number(value) and not 0 <= value < 1:
        checks.wrong(key, "must be a share, 0 ≤ … < 1", "give a share such as 0.05", value)
    else:
        checks.number(key, value)
    return value


def _settled(checks: Checks, key: str, interval: Interval | None, share: bool) -> Interval | None:
    """The interval with its distribution named."""
    if interval is None:
        return None
    distribution = interval.distribution or ("logitnormal" if share else "lognormal")
    beyond = distribution == "lognormal" or (distribution == "uniform" and interval.quantile(1.0) > 1)
    if share and beyond:
        checks.wrong(key, "a share reaches above 1", "give distribution = 'logitnormal' and ends below 1")
        return None
    return checks.section(key, Interval, dataclasses.asdict(interval) | {"distribution": distribution})


@dataclasses.dataclass(frozen=True)
class Branch(Settings):
    """One of several ways things may go.

    Parameters
    ----------
    value : float or Interval
        The number in this branch.
    probability : float
        Probability of the branch, 0 < probability ≤ 1.
    name : str
        What the branch is.

    Raises
    ------
    InputError
        If the value is no quantity, or the probability none.

    Examples
    --------
    >>> Branch(800, 0.9, "retraining works").value
    800
    """

    value: Annotated[float | Interval, _one]
    probability: Annotated[float, partial(Checks.share, one=True)]
    name: Text = ""

    def __str__(self) -> str:
        return f"{in_words(self.value)} with probability {readable(self.probability)}"


type Quantity = float | Interval | tuple[Branch, ...]


def quantity(checks: Checks, key: str, value: Any, *, share: bool = False) -> Any:
    """Check a number, an interval or branches, as Python objects or as a case file writes them; give Python objects."""
    if not isinstance(value, (list, tuple)):
        return _one(checks, key, value, share=share)
    branches = checks.sections(key, Branch, value)
    if len(branches) < len(value):
        return ()
    total = math.fsum(branch.probability for branch in branches)
    if abs(total - 1) > TOLERANCE:
        checks.wrong(key, f"probabilities of its branches sum to {total:g}", "make them sum to 1")
    return tuple(
        dataclasses.replace(b, value=_one(checks, f"{key}[{i}].value", b.value, share=share))
        for i, b in enumerate(branches)
        if b.value is not None
    )


def by_slice(checks: Checks, key: str, value: Any, *, share: bool = False) -> Any:
    """Check a quantity, or a mapping from slices (and ``default``) to quantities."""
    interval = isinstance(value, Mapping) and {"low", "high"} & set(value) and not isinstance(value.get("low"), Mapping)
    if isinstance(value, Mapping) and not interval:
        return {str(k): quantity(checks, f"{key}.{k}", v, share=share) for k, v in value.items()}
    return quantity(checks, key, value, share=share)


def of_slice(value: Any, name: str) -> tuple[str, Any]:
    """Return key and quantity of a slice: its own, else the default, else ``None``; no key where one holds for all."""
    if not isinstance(value, Mapping):
        return "", value
    key = name if name in value else "default"
    return key, value.get(key)


Given = Annotated[Quantity, quantity]
GivenOrNone = Annotated[Quantity | None, quantity]
ShareOf = Annotated[Quantity, partial(quantity, share=True)]
BySlice = Annotated[Quantity | Mapping[str, Quantity], by_slice]
"""Settings that are quantities: one, one or none, one below 1, and one for all slices or by slice."""
