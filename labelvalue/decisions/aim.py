"""What an allocation maximises: a concave function of draws of net benefit, with its tangents."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Aim:
    """What an allocation maximises: ``mean``·E[net benefit] − ``tail``·CVaR of the loss against doing nothing.

    Parameters
    ----------
    mean : float
        Weight of the expected net benefit, ≥ 0.
    tail : float
        Weight of the conditional value at risk, ≥ 0.
    level : float
        Level of that CVaR: the mean of the worst 1 − ``level`` of draws.
    tolerance : float
        Risk tolerance in money: with a finite one the expectation becomes the certainty equivalent of an exponential
        utility.

    Raises
    ------
    ValueError
        If both weights are 0, one is negative, the level is not inside (0, 1) or the tolerance is not positive.

    Examples
    --------
    >>> Aim(mean=0.0, tail=1.0, level=0.5).value(np.array([1.0, -1.0, 3.0, 5.0]))
    0.0
    """

    mean: float = 1.0
    tail: float = 0.0
    level: float = 0.9
    tolerance: float = np.inf

    def __post_init__(self) -> None:
        if not (self.mean >= 0 and self.tail >= 0 and self.mean + self.tail > 0):
            raise ValueError(f"weights of mean and tail must be ≥ 0 and not both 0, got {self.mean} and {self.tail}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must satisfy 0 < level < 1, got {self.level}. Fix: give one such as 0.9.")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be > 0, got {self.tolerance}. Fix: give an amount of money.")

    @property
    def linear(self) -> bool:
        """Whether the same weights serve every purchase: the plain expectation."""
        return self.tail == 0 and not np.isfinite(self.tolerance)

    def weights(self, net: np.ndarray) -> np.ndarray:
        """Return the weights of draws by which the aim rises, were each draw to rise by one.

        Parameters
        ----------
        net : array of float, shape (sample,)
            Draws of net benefit.

        Returns
        -------
        array of float, shape (sample,)
            They sum to ``mean + tail``. Since the aim is concave, ``value(x) + weights(x) @ (y − x)`` bounds
            ``value(y)`` from above for every other ``y``.

        Examples
        --------
        >>> Aim(mean=0.0, tail=1.0, level=0.5).weights(np.array([1.0, -1.0, 3.0, 5.0])).tolist()
        [0.5, 0.5, 0.0, 0.0]
        """
        if np.isfinite(self.tolerance):
            tilt = np.exp(-(net - net.min()) / self.tolerance)
            weights = self.mean * tilt / tilt.sum()
        else:
            weights = np.full(net.size, self.mean / net.size)
        if self.tail > 0:
            weights = weights + self.tail * self._worst(net)
        return weights

    def value(self, net: np.ndarray) -> float:
        """Return the aim of draws of net benefit.

        Parameters
        ----------
        net : array of float, shape (sample,)
            Draws of net benefit.

        Returns
        -------
        float
            Money.

        Examples
        --------
        >>> Aim().value(np.array([2.0, 4.0]))
        3.0
        """
        if np.isfinite(self.tolerance):
            least = net.min()
            sure = least - self.tolerance * np.log1p(np.expm1(-(net - least) / self.tolerance).mean())
        else:
            sure = net.mean()
        return float(self.mean * sure + (self.tail * (self._worst(net) @ net) if self.tail > 0 else 0.0))

    def _worst(self, net: np.ndarray) -> np.ndarray:
        mass = (1.0 - self.level) * net.size
        weights = np.empty(net.size)
        weights[np.argsort(net, kind="stable")] = np.clip(mass - np.arange(net.size), 0.0, 1.0)
        return weights / weights.sum()
