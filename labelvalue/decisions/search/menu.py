"""What can be bought, in arrays: net benefit of every slice at every size, and what a purchase of them brings."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Aim:
    """What an allocation maximises: ``mean``·E[net benefit] − ``tail``·CVaR of the loss against doing nothing.

    The CVaR is the mean of the worst 1 − ``level`` of draws. With a finite risk ``tolerance`` (money) the expectation
    becomes the certainty equivalent of an exponential utility.
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

        Shapes: ``net`` (sample,); gives (sample,).
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

        Shapes: ``net`` (sample,).
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


LEAST_STEPS = 2  # sizes that a menu needs: nothing, and something


@dataclasses.dataclass(frozen=True, kw_only=True)
class Menu:
    """What can be bought: draws of net benefit by slice and size, and the limits of a purchase.

    Between the sizes of the grid, net benefit, spend and error are linear in labels, draw by draw. Net benefit and
    spend leave out what a batch costs whatever its size (``fixed``, ``fixed_spend``) and are 0 at the first size, which
    is 0; errors are there where fairness matters (``max_gap`` between slices; ``worst_weight`` a unit of the worst
    slice's). ``lot`` is what one label of this menu stands for, for words and prices.

    Shapes: ``labels`` (step), ``net`` (slice, step, sample), ``spend``, ``error`` (slice, step), ``low``, ``high``
    (slice), ``fixed`` (sample).
    """

    slices: tuple[str, ...]
    labels: np.ndarray
    net: np.ndarray
    spend: np.ndarray
    low: np.ndarray
    high: np.ndarray
    max_labels: int
    max_spend: float = np.inf
    fixed: np.ndarray
    fixed_spend: float = 0.0
    error: np.ndarray | None = None
    max_gap: float = np.inf
    worst_weight: float = 0.0
    lot: int = 1

    def __post_init__(self) -> None:
        grid = (len(self.slices), self.labels.size)
        shapes = {"net": self.net.shape[:2] == grid, "spend": self.spend.shape == grid}
        shapes |= {"fixed": self.fixed.shape == self.net.shape[2:]}
        shapes |= {n: v.shape == grid[:1] for n, v in (("low", self.low), ("high", self.high))}
        shapes |= {"error": self.error is None or self.error.shape == grid}
        wrong = [name for name, fits in shapes.items() if not fits]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: shapes do not fit {grid[0]} slices and {grid[1]} sizes")
        if grid[1] < LEAST_STEPS or self.labels[0] != 0 or (np.diff(self.labels) <= 0).any():
            raise ValueError(f"labels must rise from 0, got {self.labels.tolist()}")
        if self.error is None and (self.worst_weight > 0 or np.isfinite(self.max_gap)):
            raise ValueError("fairness needs the expected errors of the slices. Fix: give error.")

    def place(self, bought: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find purchases (slice,) on the grid: the last size not above each, and the share of the way to the next."""
        step = np.clip(np.searchsorted(self.labels, bought, side="right") - 1, 0, self.labels.size - 2)
        return step, (bought - self.labels[step]) / np.diff(self.labels)[step]

    def total(self, values: np.ndarray, bought: np.ndarray) -> np.ndarray:
        """Sum a quantity of the grid, shape (slice, step, ...), over slices at a purchase (slice,)."""
        step, share = self.place(bought)
        rows = np.arange(len(self.slices))
        return np.tensordot(1.0 - share, values[rows, step], 1) + np.tensordot(share, values[rows, step + 1], 1)

    def outcome(self, bought: np.ndarray) -> np.ndarray:
        """Draws (sample,) of the net benefit of a purchase (slice,) with its fixed cost; 0 where nothing is bought."""
        return self.total(self.net, bought) - self.fixed * bool(np.any(bought > 0))

    def errors(self, bought: np.ndarray) -> np.ndarray:
        """Return the expected error of each slice (slice,) after a purchase; zeros where the menu has no errors."""
        if self.error is None:
            return np.zeros(len(self.slices))
        step, share = self.place(bought)
        rows = np.arange(len(self.slices))
        return (1.0 - share) * self.error[rows, step] + share * self.error[rows, step + 1]

    def objective(self, bought: np.ndarray, aim: Aim) -> float:
        """Return what an allocation maximises, in money, less ``worst_weight`` times the worst expected error."""
        return aim.value(self.outcome(bought)) - self.worst_weight * float(self.errors(bought).max())

    def spent(self, bought: np.ndarray) -> float:
        """Return the expected money that a purchase (slice,) costs, fixed cost included."""
        return float(self.total(self.spend, bought)) + self.fixed_spend * bool(np.any(bought > 0))

    def allows(self, bought: np.ndarray, slack: float = 1e-9) -> bool:
        """Say whether a purchase (slice,) keeps every limit, but for a relative slack of rounding."""
        inside = bool(((bought >= self.low) & (bought <= self.high)).all()) and bought.sum() <= self.max_labels
        errors = self.errors(bought)
        gap = float(errors.max() - errors.min())
        cheap = not np.isfinite(self.max_spend) or self.spent(bought) <= self.max_spend * (1 + slack)
        return inside and cheap and gap <= self.max_gap + slack
