"""Allocations: greedy where it is exact, else by linear and mixed-integer programming; brute force where it ends.

Net benefit is linear between the sizes of the grid, so a purchase is a set of filled segments. The objective is
concave in the net benefits of the draws, so it is built up by cuts: solve, take the tangent at the purchase found, add
it, until the solver's bound is met. That a slice's
segments must be filled in order is only demanded where the solver would not, with binary variables.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable

import numpy as np
import scipy

from labelvalue.decisions.search.menu import Aim, Menu


def fills(menu: Menu) -> tuple[np.ndarray, np.ndarray]:
    """Return the fewest and most labels that limits leave of each segment of the grid, shape (slice, segment)."""
    start, length = menu.labels[:-1], np.diff(menu.labels)
    least = np.clip(menu.low[:, None] - start, 0, length)
    return least, np.clip(menu.high[:, None] - start, 0, length)


def slopes(menu: Menu, weights: np.ndarray) -> np.ndarray:
    """Return the net benefit of one more label, shape (slice, segment), averaged over draws under weights (sample,)."""
    return np.diff(menu.net @ weights, axis=1) / np.diff(menu.labels)


def is_concave(menu: Menu, weights: np.ndarray) -> bool:
    """Say whether, where limits let them move, each label of a slice is worth no more than the one before it."""
    least, most = fills(menu)
    gain = np.where(most > least, slopes(menu, weights), np.nan)
    first_nan = np.isnan(gain).all(axis=1)
    held = np.where(np.isnan(gain), np.inf, gain)
    so_far = np.minimum.accumulate(held, axis=1)
    before = np.concatenate([np.full((len(gain), 1), np.inf), so_far[:, :-1]], axis=1)
    rises = (held > before) & ~np.isnan(gain)
    return bool(not rises[~first_nan].any())


def greedy(menu: Menu, weights: np.ndarray) -> np.ndarray:
    """Buy label by label where the next one is worth most, until none is worth its price or the labels are spent.

    Exact for whole labels where :func:`is_concave` and labels are the only limit.

    Shapes: ``weights`` (sample,); gives (slice,).

    References
    ----------
    Fox (1966), "Discrete optimization via marginal analysis", Management Science 13(3).
    """
    least, most = fills(menu)
    gain, room = slopes(menu, weights).ravel(), (most - least).ravel()
    order = np.argsort(-gain, kind="stable")
    taking = np.where(gain[order] > 0, room[order], 0)
    left = menu.max_labels - int(menu.low.sum())
    taken = np.zeros_like(room)
    taken[order] = np.clip(left - (np.cumsum(taking) - taking), 0, taking)
    return menu.low + taken.reshape(least.shape).sum(axis=1)


def split(menu: Menu, shares: np.ndarray) -> np.ndarray:
    """Split as many labels as the limits allow in given proportions, moved to the slices' limits where they bind.

    Shapes: ``shares`` (slice,); gives (slice,).
    """

    def at(scale: float) -> np.ndarray:
        return np.clip(np.floor(scale * shares + 1e-9), menu.low, menu.high).astype(int)

    def fits(scale: float) -> bool:
        bought = at(scale)
        return bought.sum() <= menu.max_labels and menu.spent(bought) <= menu.max_spend * (1 + 1e-9)

    low, high = 0.0, float(menu.max_labels + 1) / float(shares.min())
    if fits(high):
        return at(high)
    while (at(high) - at(low)).sum() > 1 and high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    bought = at(low)
    for place in np.argsort(-shares, kind="stable"):
        more = bought.copy()
        more[place] += 1
        if bought[place] < menu.high[place] and menu.allows(more):
            bought = more
    return bought


def combinations(menu: Menu) -> float:
    """Count the purchases that the limits of the single slices leave, limits across slices left aside."""
    return float(np.exp(min(np.log(menu.high - menu.low + 1.0).sum(), 700.0)))


def brute_force(menu: Menu, aim: Aim) -> tuple[np.ndarray, float]:
    """Try every purchase.

    Shapes: gives ``bought`` (slice,).
    """
    best, reached = menu.low, -np.inf
    for choice in itertools.product(*(range(a, b + 1) for a, b in zip(menu.low, menu.high, strict=True))):
        bought = np.array(choice)
        if menu.allows(bought) and (value := menu.objective(bought, aim)) > reached:
            best, reached = bought, value
    return best, reached


STEPS = 4  # the first step is the labels allowed over this
FINEST = 64  # the last step is the labels allowed over this, where nothing finer is asked for, or one lot
KEPT = 3  # slices that labels are moved to, and from, at once: those where one step alone does best
MOVES = 60


def climb(
    start: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    allows: Callable[[np.ndarray], bool],
    *,
    low: np.ndarray,
    high: np.ndarray,
    most: int,
    lot: int = 1,
    parts: int = FINEST,
) -> np.ndarray:
    """Move labels between slices, buy more or fewer, in steps of falling size, as long as the score rises.

    Shapes: ``start`` (slice,), ``low``, ``high`` (slice,); gives (slice,).
    """
    at, reached = start.copy(), float(score(start[None])[0])
    step = max(lot, most // STEPS // lot * lot)
    finest = max(lot, most // parts // lot * lot)
    unit = np.eye(start.size, dtype=int)

    def fits(plans: np.ndarray) -> np.ndarray:
        return (plans >= low).all(axis=1) & (plans <= high).all(axis=1) & (plans.sum(axis=1) <= most)

    for _ in range(MOVES):
        single = np.clip(np.concatenate([at + step * unit, at - step * unit]), low, high)
        alone = score(single)  # beyond the labels allowed too: it says where a swap should go
        to, away = (np.argsort(-x, kind="stable")[:KEPT] for x in np.split(alone, 2))
        swaps = [at + step * (unit[i] - unit[j]) for i in to for j in away if i != j]
        plans = np.array([*single, *swaps])
        plans = plans[fits(plans)]
        known = alone[fits(single)]
        swapped = plans[known.size :]
        found = np.concatenate([known, score(swapped)]) if len(swapped) else known
        better = np.flatnonzero(found > reached + 1e-12 * max(abs(reached), 1.0))
        ranked = better[np.argsort(-found[better], kind="stable")]
        chosen = next((place for place in ranked if allows(plans[place])), None)
        if chosen is not None:
            at, reached = plans[chosen], float(found[chosen])
        elif step <= finest:
            break
        else:
            step = max(finest, step // 2 // lot * lot)
    return at


def greedy_on_envelope(menu: Menu, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Buy along each slice's concave envelope, in order of what a label brings, until the labels are spent.

    The envelope is nowhere below the net benefit and meets it at the sizes where it bends, so the sum of envelopes
    bounds every purchase. Only the slice at which the labels run out can end between two such sizes; the labels that
    are left are then given to the slice where they bring most. The loss is therefore that of one slice at most.

    Shapes: ``weights`` (sample,); gives ``bought`` (slice,).

    References
    ----------
    Sinha and Zoltners (1979), "The multiple-choice knapsack problem", Operations Research 27(3), for the bound.
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


def _steps(labels: np.ndarray, net: np.ndarray, low: int, high: int) -> np.ndarray:
    """Lengths and slopes of the pieces of a slice's concave envelope between its limits."""
    inside = labels[(labels > low) & (labels < high)]
    sizes = np.concatenate([[low], inside, [high]]) if high > low else np.array([low])
    values = np.interp(sizes, labels, net)
    hull: list[int] = []
    for at in range(sizes.size):
        while len(hull) > 1 and _rises(sizes, values, hull[-2], hull[-1], at):
            hull.pop()
        hull.append(at)
    length = np.diff(sizes[hull]).astype(float)
    return np.column_stack([length, np.diff(values[hull]) / length])


def _rises(sizes: np.ndarray, values: np.ndarray, first: int, middle: int, last: int) -> bool:
    """Whether the middle point lies on or below the line between the others."""
    before = (values[middle] - values[first]) * (sizes[last] - sizes[middle])
    return bool(before <= (values[last] - values[middle]) * (sizes[middle] - sizes[first]))


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


TOLERANCE = 1e-6  # distance from the bound, relative to the scale of the objective, at which the search ends
ROUNDS = 400
MOST_ORDERED = 6_000
"""Segments up to which their order is demanded where the solver would not keep it; of more, a purchase is what the
segments of a slice hold together, valued as it is, and the bound that of segments in any order."""
STALLED = 5  # rounds without progress after which a search without order ends
WHOLE_VARIABLES = 400
"""Segments up to which whole labels are found by branching; beyond it, by rounding with the distance reported."""


@dataclasses.dataclass(frozen=True)
class Solution:
    """A purchase (slice), what it reaches, what no purchase exceeds, and the solver's own words."""

    bought: np.ndarray
    objective: float
    bound: float
    status: str


class SolverError(RuntimeError):
    """The solver ended without a solution; there is no plan."""


def programme(menu: Menu, aim: Aim, *, whole: bool, seconds: float = 120.0) -> Solution:
    """Maximise the objective over purchases that keep every limit and are not empty.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2(3); Künzi-Bay and
    Mayer (2006), "Computational aspects of minimizing conditional value-at-risk", Computational Management Science 3,
    for the cuts; Ben-Ameur and Neto (2007), "Acceleration of cutting-plane and column generation algorithms",
    Networks 49(1), for where the next cut is taken.
    """
    started = time.monotonic()
    master = _Master(menu, aim, whole)
    best, reached, bound, message, idle = None, -np.inf, np.inf, "", 0
    for _ in range(ROUNDS):
        left = seconds - (time.monotonic() - started)
        if left <= 0 and best is not None:
            break
        fill, at_most, message = master.solve(max(left, 1.0))
        if master.segments <= MOST_ORDERED and master.demand_order(fill):
            continue
        found = fill.sum(axis=1)
        closer = at_most < bound - TOLERANCE * master.scale
        bound = min(bound, at_most)
        value = aim.value(menu.total(menu.net, found) - menu.fixed) - menu.worst_weight * float(
            menu.errors(found).max()
        )
        idle = 0 if closer or value > reached else idle + 1
        if value > reached:
            best, reached = found, value
        if bound - reached <= TOLERANCE * master.scale or (master.segments > MOST_ORDERED and idle >= STALLED):
            break
        master.cut(found)
        if not whole and found is not best:
            master.cut(0.5 * (found + best))
    if best is None:
        raise SolverError(f"no purchase found: {message}")
    return Solution(best, reached, bound, f"{message.rstrip('.')}; {len(master.cuts)} cuts")


class _Master:
    """The linear programme of the cuts so far.

    Columns: the fill of every segment; θ, the objective in units of ``scale``; the highest and lowest expected error;
    a binary for every ordered segment but a slice's first.
    """

    def __init__(self, menu: Menu, aim: Aim, whole: bool):
        self.menu, self.aim, self.whole = menu, aim, whole
        self.least, self.most = fills(menu)
        self.length = np.diff(menu.labels)
        self.segments = self.least.size
        # Fills are in labels where they must be whole, in parts of their segment elsewhere: the solver errs less.
        self.unit = np.ones_like(self.length) if whole else self.length
        even = np.full(menu.fixed.size, 1.0 / menu.fixed.size)
        self.scale = max(float(np.abs(menu.net @ even).max()), float(np.abs(menu.fixed).max()), 1e-12)
        self.ordered: set[int] = set()
        self.cuts: list[tuple[np.ndarray, float]] = []
        self.cut(menu.low)

    def cut(self, bought: np.ndarray) -> None:
        """Bound the objective by its tangent at a purchase."""
        net = self.menu.total(self.menu.net, bought) - self.menu.fixed
        weights = self.aim.weights(net)
        slope = (slopes(self.menu, weights) * self.unit).ravel() / self.scale
        start = self.aim.value(net) - weights @ (net + self.menu.fixed)
        self.cuts.append((slope, float(start) / self.scale))

    def demand_order(self, fill: np.ndarray) -> bool:
        """Order the segments of slices that were filled out of order; say whether there were any."""
        gap = self.most[:, :-1] - fill[:, :-1]
        # A segment that its limits end before its length is the slice's last: nothing follows it.
        broken = ((gap > 1e-6 * self.length[:-1]) & (fill[:, 1:] > 1e-6 * self.length[1:])).any(axis=1)
        new = set(np.flatnonzero(broken).tolist()) - self.ordered
        self.ordered |= new
        return bool(new)

    def solve(self, seconds: float) -> tuple[np.ndarray, float, str]:
        """Return the fill of every segment, the bound in money, and the solver's words."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        rows, at_most = self._rows()
        binaries = len(self.ordered) * (self.length.size - 1)
        columns = self.segments + 3 + binaries
        matrix = scipy.sparse.csr_array(_padded(rows, columns))
        goal = np.zeros(columns)
        goal[self.segments] = -1.0
        goal[self.segments + 1] = self.menu.worst_weight / self.scale
        lower = np.concatenate([(self.least / self.unit).ravel(), [-np.inf, -np.inf, -np.inf], np.zeros(binaries)])
        upper = np.concatenate([(self.most / self.unit).ravel(), [np.inf, np.inf, np.inf], np.ones(binaries)])
        if not self._fair:
            lower[self.segments + 1 : self.segments + 3] = upper[self.segments + 1 : self.segments + 3] = 0.0
        integrality = np.concatenate([np.full(self.segments, int(self.whole)), [0, 0, 0], np.ones(binaries)])
        result = milp(
            goal,
            integrality=integrality,
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(matrix, -np.inf, at_most),
            options={"time_limit": seconds, "mip_rel_gap": 1e-9},
        )
        if result.x is None:
            raise SolverError(result.message)
        dual = result.mip_dual_bound if integrality.any() and result.mip_dual_bound is not None else result.fun
        fill = np.clip(result.x[: self.segments].reshape(self.least.shape) * self.unit, self.least, self.most)
        return (np.round(fill) if self.whole else fill), -float(dual) * self.scale, str(result.message)

    @property
    def _fair(self) -> bool:
        return self.menu.worst_weight > 0 or bool(np.isfinite(self.menu.max_gap))

    def _rows(self) -> tuple[list[np.ndarray | scipy.sparse.sparray], np.ndarray]:
        menu, none = self.menu, np.zeros(self.segments)
        rows: list[np.ndarray | scipy.sparse.sparray] = []
        limits: list[float] = []

        def add(fill: np.ndarray, extra: tuple[float, float, float], limit: float) -> None:
            rows.append(np.concatenate([fill, extra])[None])
            limits.append(limit)

        for slope, start in self.cuts:
            add(-slope, (1.0, 0.0, 0.0), start)
        most = max(float(menu.max_labels), 1.0)
        each = np.broadcast_to(self.unit, self.least.shape).ravel() / most
        add(each, (0.0, 0.0, 0.0), menu.max_labels / most)
        if np.isfinite(menu.max_spend):
            price = (np.diff(menu.spend, axis=1) / self.length * self.unit).ravel()
            unit = max(abs(menu.max_spend), 1e-12)
            add(price / unit, (0.0, 0.0, 0.0), (menu.max_spend - menu.fixed_spend) / unit)
        if self._fair and menu.error is not None:
            if np.isfinite(menu.max_gap):
                add(none, (0.0, 1.0, -1.0), menu.max_gap)
            slope = np.diff(menu.error, axis=1) / self.length * self.unit
            for place in range(len(menu.slices)):
                own = np.zeros_like(slope)
                own[place] = slope[place]
                add(own.ravel(), (0.0, -1.0, 0.0), -float(menu.error[place, 0]))
                add(-own.ravel(), (0.0, 0.0, 1.0), float(menu.error[place, 0]))
        if self.ordered:
            block, at_most = self._order()
            rows.append(block)
            limits.extend(at_most)
        return rows, np.array(limits)

    def _order(self) -> tuple[scipy.sparse.sparray, list[float]]:
        """Rows: a segment is filled only if its binary is 1, and that only if the segment before is full."""
        later = self.length.size - 1
        count = len(self.ordered) * later
        open_from = np.concatenate([s * (later + 1) + 1 + np.arange(later) for s in sorted(self.ordered)])
        binary = self.segments + 3 + np.arange(count)
        row = np.arange(count)
        most = (self.most / self.unit).ravel()[open_from]
        before = np.tile((self.length / self.unit)[:-1], len(self.ordered))
        value = np.concatenate([np.ones(count), -most, -np.ones(count), before]).astype(float)
        place = np.concatenate([open_from, binary, open_from - 1, binary])
        shape = (2 * count, self.segments + 3 + count)
        where = (np.concatenate([row, row, row + count, row + count]), place)
        return scipy.sparse.coo_array((value, where), shape=shape), [0.0] * (2 * count)


def _padded(rows: list[np.ndarray | scipy.sparse.sparray], columns: int) -> scipy.sparse.sparray:
    """Stack rows of different widths, zeros to the right."""
    wide = []
    for row in rows:
        block = scipy.sparse.csr_array(row)
        wide.append(scipy.sparse.csr_array((block.data, block.indices, block.indptr), shape=(block.shape[0], columns)))
    return scipy.sparse.vstack(wide, format="csr")
