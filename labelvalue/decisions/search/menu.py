"""What can be bought, in arrays: what purchases bring, simple ones, and what none of them exceeds."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Aim:
    """What an allocation maximises: the mean of the worst 1 − ``level`` of draws of net benefit, at 0 that of all.

    With a finite risk ``tolerance`` (money) it is the certainty equivalent of an exponential utility.
    """

    level: float = 0.0
    tolerance: float = np.inf

    @property
    def linear(self) -> bool:
        """Whether the same weights serve every purchase: the plain expectation."""
        return self.level == 0 and not np.isfinite(self.tolerance)

    def weights(self, net: np.ndarray) -> np.ndarray:
        """Return the weights of draws by which the aim rises, were each draw to rise by one.

        Shapes: ``net`` (sample,); gives (sample,).
        """
        if self.linear:
            return np.full(net.size, 1.0 / net.size)
        if not np.isfinite(self.tolerance):
            return self._worst(net)
        tilt = np.exp(-(net - net.min()) / self.tolerance)
        return np.asarray(tilt / tilt.sum())

    def value(self, net: np.ndarray) -> float:
        """Return the aim of draws of net benefit.

        Shapes: ``net`` (sample,).
        """
        if not np.isfinite(self.tolerance):
            return float(self.weights(net) @ net)
        least = net.min()
        return float(least - self.tolerance * np.log1p(np.expm1(-(net - least) / self.tolerance).mean()))

    def _worst(self, net: np.ndarray) -> np.ndarray:
        mass = (1.0 - self.level) * net.size
        weights = np.empty(net.size)
        weights[np.argsort(net, kind="stable")] = np.clip(mass - np.arange(net.size), 0.0, 1.0)
        return weights / weights.sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Menu:
    """What can be bought: draws of net benefit by slice and size, and the limits of a purchase.

    Between the sizes of the grid, net benefit, spend and error are linear in labels, draw by draw. Net benefit and
    spend leave out what a batch costs whatever its size (``fixed``, ``fixed_spend``) and are 0 at the first size, which
    is 0; errors are there where fairness matters (``max_gap`` between slices). ``lot`` is what one label of this menu
    stands for, for words and prices.

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
    lot: int = 1

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
        """Return what an allocation maximises, in money."""
        return aim.value(self.outcome(bought))

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


def slopes(menu: Menu, weights: np.ndarray) -> np.ndarray:
    """Return the net benefit of one more label, shape (slice, segment), averaged over draws under weights (sample,)."""
    return np.diff(menu.net @ weights, axis=1) / np.diff(menu.labels)


def split(menu: Menu, shares: np.ndarray) -> np.ndarray:
    """Split as many labels as the limits allow in given proportions, moved to the slices' limits where they bind.

    A slice whose share is 0 gets no more than it must.

    Shapes: ``shares`` (slice,); gives (slice,).
    """

    def at(scale: float) -> np.ndarray:
        return np.clip(np.floor(scale * shares + 1e-9), menu.low, menu.high).astype(int)

    def fits(scale: float) -> bool:
        bought = at(scale)
        return bought.sum() <= menu.max_labels and menu.spent(bought) <= menu.max_spend * (1 + 1e-9)

    low, high = 0.0, float(menu.max_labels + 1) / float(shares[shares > 0].min())
    if fits(high):
        return at(high)
    while (at(high) - at(low)).sum() > 1 and high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    bought = at(low)
    for place in (place for place in np.argsort(-shares, kind="stable") if shares[place] > 0):
        more = bought.copy()
        more[place] += 1
        if bought[place] < menu.high[place] and menu.allows(more):
            bought = more
    return bought


def greedy(menu: Menu, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Buy along each slice's concave envelope, in order of what a label brings, until the labels are spent.

    Exact where net benefit is concave in labels. The envelope is nowhere below the net benefit and meets it at the
    sizes where it bends, so the sum of envelopes bounds every purchase. Only the slice at which the labels run out can
    end between two such sizes; the labels that are left are then given to the slice where they bring most. The loss is
    therefore that of one slice at most.

    Shapes: ``weights`` (sample,); gives ``bought`` (slice,).

    References
    ----------
    Fox (1966), "Discrete optimization via marginal analysis", Management Science 13(3); Sinha and Zoltners (1979), "The
    multiple-choice knapsack problem", Operations Research 27(3), for the bound.
    """
    net = menu.net @ weights
    steps = [_steps(menu.labels, net[i], int(menu.low[i]), int(menu.high[i])) for i in range(len(menu.slices))]
    place = np.repeat(np.arange(len(steps)), [len(one) for one in steps])
    length, slope = np.concatenate(steps).T if place.size else np.zeros((2, 0))
    order = np.argsort(-slope, kind="stable")
    order = order[slope[order] > 0]
    left = menu.max_labels - int(menu.low.sum())
    before = np.cumsum(length[order]) - length[order]
    taken = np.clip(left - before, 0.0, length[order])
    start = float(sum(np.interp(low, menu.labels, own) for low, own in zip(menu.low, net, strict=True)))
    bound = start + float(taken @ slope[order]) - float(menu.fixed @ weights)
    whole = taken >= length[order] - 1e-9
    bought = menu.low + np.bincount(place[order][whole], length[order][whole], len(steps)).astype(int)
    return _filled(menu, net, bought), bound


def _steps(labels: np.ndarray, net: np.ndarray, low: int, high: int) -> np.ndarray:
    """Lengths and slopes of the pieces of a slice's concave envelope between its limits: its slopes, made to fall."""
    from scipy.optimize import isotonic_regression

    if high <= low:
        return np.zeros((0, 2))
    sizes = np.concatenate([[low], labels[(labels > low) & (labels < high)], [high]])
    length = np.diff(sizes).astype(float)
    slope = np.diff(np.interp(sizes, labels, net)) / length
    found = isotonic_regression(slope, weights=length, increasing=False)
    return np.column_stack([found.weights, found.x[found.blocks[:-1]]])


def _filled(menu: Menu, net: np.ndarray, bought: np.ndarray) -> np.ndarray:
    """Give the labels that are left to slices one after the other, each time where they bring most as a whole."""
    bought = bought.copy()
    rows = np.arange(bought.size)
    while (left := menu.max_labels - int(bought.sum())) > 0:
        more = np.minimum(menu.high - bought, left)

        def at(sizes: np.ndarray) -> np.ndarray:
            step, share = menu.place(sizes)
            return (1.0 - share) * net[rows, step] + share * net[rows, step + 1]

        gained = np.where(more > 0, at(bought + more) - at(bought), -np.inf)
        best = int(gained.argmax())
        if gained[best] <= 0:
            break
        bought[best] += more[best]
    return bought


TRIALS = 60  # pairs of prices at which a bound is looked for: within a hundredth of the best one, in two milliseconds


def ceiling(menu: Menu, weights: np.ndarray) -> float:
    """Say what no purchase exceeds, its fixed cost taken off: slices buy freely at a price for labels and for money.

    Whatever the prices, what is spent at them is at most what there is; those are looked for that bound it best.

    Shapes: ``weights`` (sample,).

    References
    ----------
    Everett (1963), "Generalized Lagrange multiplier method for solving problems of optimum allocation of resources",
    Operations Research 11(3).
    """
    from scipy.optimize import minimize

    rows, money = np.arange(len(menu.slices)), menu.max_spend - menu.fixed_spend
    ends = [menu.place(limit) for limit in (menu.low, menu.high)]

    def at_corners(values: np.ndarray) -> np.ndarray:
        """Values at the sizes of the grid, and at the limits of each slice: what is straight is highest at one."""
        return np.column_stack(
            [values, *((1.0 - share) * values[rows, step] + share * values[rows, step + 1] for step, share in ends)]
        )

    labels = at_corners(np.broadcast_to(menu.labels.astype(float), menu.spend.shape))
    inside = (labels >= menu.low[:, None]) & (labels <= menu.high[:, None])
    if not inside.any(axis=1).all():  # what is asked for of a slice is more than there may be
        return -np.inf
    net = np.where(inside, at_corners(menu.net @ weights), -np.inf)
    spend = at_corners(menu.spend)
    most = max(float(net.max(axis=1).sum()), 1e-12)
    units = most / max(menu.max_labels, 1), most / max(money, 1e-12) if np.isfinite(money) else 0.0

    def bound(prices: np.ndarray) -> float:
        a_label, of_money = np.maximum(prices, 0.0) * units
        paid = a_label * menu.max_labels + (of_money * money if of_money else 0.0)
        return float((net - a_label * labels - of_money * spend).max(axis=1).sum() + paid)

    corners = {"maxfev": TRIALS, "initial_simplex": np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])}
    return float(minimize(bound, np.zeros(2), method="Nelder-Mead", options=corners).fun) - float(menu.fixed @ weights)
