"""The best purchase from a menu: the exact method that fits, its certificate, and the price of its limits.

Net benefit is linear between the sizes of the grid, so a purchase is a set of filled segments. The objective is
concave in the net benefits of the draws, so it is built up by cuts: solve, take the tangent at the purchase found, add
it, until the solver's bound is met. That a slice's segments must be filled in order is only demanded where the solver
would not, with binary variables.
"""

import bisect
import dataclasses
import time

import numpy as np
import pandas as pd
import scipy

from labelvalue.decisions.search.menu import Aim, Menu, greedy, slopes, split
from labelvalue.numerals import PER_LABELS
from labelvalue.problems import InputError, Problem


class NoPlanError(InputError):
    """No plan keeps every limit of a case; its problems name those that bind."""


def least_labels(error: np.ndarray, labels: np.ndarray, limit: float, probability: float) -> float:
    """Fewest labels with which the error of a slice is at most a limit, with a probability.

    Shapes: ``error`` (step, sample), ``labels`` (step,).
    """
    kept = (error <= limit).mean(axis=1) >= probability
    if not kept.any():
        return np.inf
    first = int(kept.argmax())
    if first == 0:
        return 0.0
    low, high = int(labels[first - 1]), int(labels[first])
    start, end = error[first - 1], error[first]

    def enough(count: int) -> bool:
        between = start + (count - low) / (high - low) * (end - start)
        return bool((between <= limit * (1 + 1e-12)).mean() >= probability)

    return float(low + 1 + bisect.bisect_left(range(low + 1, high), True, key=enough))


def unreachable(
    name: str, error: np.ndarray, labels: np.ndarray, most: float, limit: float, probability: float
) -> Problem:
    """Say that a slice cannot be made good enough, and what it could be.

    Shapes: ``error`` (step, sample), ``labels`` (step,).
    """
    step = int(np.searchsorted(labels, most, side="right")) - 1
    at = error[step]
    # The smallest error that the asked share of draws keeps, rounded up to be kept indeed.
    kept = float(np.quantile(at, probability, method="inverted_cdf"))
    shown = np.ceil(kept * 10_000 - 1e-9) / 10_000
    return Problem(
        column=name,
        why=f"P(error ≤ {limit:g}) ≥ {probability:g} is not reached with {int(labels[step]):,} labels",
        fix=f"allow an error of {shown:g}, or a probability of {np.floor((at <= limit).mean() * 1000) / 1000:g}",
    )


def check_feasible(menu: Menu) -> None:
    """Refuse a menu from which nothing can be bought within its limits."""
    problems = [
        Problem(
            column=name,
            why=f"needs {low}, allowed {high}; binding: {name} ≥ {low}, {name} ≤ {high}",
            fix=f"raise the most of {name} by {low - high}, or lower its minimum by as much",
        )
        for name, low, high in zip(menu.slices, *(menu.lot * np.array([menu.low, menu.high])).tolist(), strict=True)
        if low > high
    ]
    needed, allowed = int(menu.low.sum()) * menu.lot, menu.max_labels * menu.lot
    if needed > allowed:
        problems.append(
            Problem(
                column="max_labels",
                value=allowed,
                why=f"needs {needed}, allowed {allowed}; binding: {_minima(menu)}",
                fix=f"raise max_labels by {needed - allowed}",
            )
        )
    money = menu.spent(menu.low)
    if not problems and money > menu.max_spend * (1 + 1e-9):
        problems.append(
            Problem(
                column="max_spend",
                value=menu.max_spend,
                why=f"needs {money:,.2f}, allowed {menu.max_spend:,.2f}; binding: {_minima(menu)}",
                fix=f"raise max_spend by {np.ceil((money - menu.max_spend) * 100) / 100:,.2f}",
            )
        )
    if problems:
        raise NoPlanError(problems)


def refuse_gap(menu: Menu, said: str) -> None:
    """Refuse a gap between slices that no purchase reaches, and say which one could be."""
    bare = dataclasses.replace(menu, net=np.zeros_like(menu.net[..., :1]), fixed=np.zeros(1))
    errors = menu.errors(menu.low)
    low, high = menu.max_gap, float(errors.max() - errors.min())
    if not low < high:
        return
    while high - low > 0.001 * high:
        middle = 0.5 * (low + high)
        try:
            programme(dataclasses.replace(bare, max_gap=middle), Aim(), whole=False)
        except SolverError:
            low = middle
        else:
            high = middle
    most = menu.max_labels * menu.lot
    why = f"no purchase of at most {most} labels brings the expected errors of all slices so close ({said})"
    digits = 3 - int(np.floor(np.log10(high)))
    fix = f"allow a gap of {np.ceil(high * 10.0 ** (digits - 1)) / 10.0 ** (digits - 1):g}"
    raise NoPlanError([Problem(column="largest_gap", value=float(menu.max_gap), why=why, fix=fix)])


def _minima(menu: Menu) -> str:
    order = np.argsort(-menu.low, kind="stable")
    return ", ".join(f"{menu.slices[i]} ≥ {menu.low[i] * menu.lot}" for i in order if menu.low[i] > 0)


FEW_LABELS = 100  # labels in all up to which whole ones are found by branching wherever rounding costs anything
ROUNDING = 2e-4  # share of the objective that rounding to whole labels may cost where there are more
SECONDS = 5.0  # time for branching over whole labels; then the best found so far stands, with its bound


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Evidence that a purchase is as good as it can be: its objective beside that of others, and the solver's status.

    NaN stands for a purchase that the limits forbid. In a plan, the objectives are those of whole plans, and ``bound``
    is of the menu that the plan was chosen from, which agrees with them at the plan.

    Parameters
    ----------
    method : str
        ``greedy``, ``envelope``, ``linear programme``, ``mixed-integer programme``, or ``best of several`` for aims
        without a bound.
    status : str
        The solver's words.
    objective : float
        What the purchase reaches.
    bound : float
        What no purchase exceeds.
    nothing : float
        Objective of buying nothing.
    equal : float
        Objective of an equal split of the labels.
    proportional : float
        Objective of a split in proportion to the labels at hand.

    Examples
    --------
    >>> Certificate("greedy", "exact", 2.0, 2.0, 0.0, 1.5, 1.0).gap
    0.0
    """

    method: str
    status: str
    objective: float
    bound: float
    nothing: float
    equal: float
    proportional: float

    @property
    def gap(self) -> float:
        """What another purchase could gain at most."""
        return max(self.bound - self.objective, 0.0)


def best_purchase(menu: Menu, aim: Aim, shares: np.ndarray | None = None) -> tuple[np.ndarray, Certificate]:
    """Find the best whole-label purchase that keeps every limit.

    Marginal greedy on concave envelopes where labels are the only limit, if that is exact or slices are many;
    otherwise linear programming with cuts, with binary variables where segments would be filled out of order; and
    branching over whole labels where rounding costs more than a trifle and the problem is small.

    Shapes: ``shares`` (slice,); gives ``bought`` (slice,).
    """
    check_feasible(menu)
    found, method, status, bound = _solved(menu, aim)
    even = np.ones(len(menu.slices))
    others = {
        "nothing": np.zeros(len(menu.slices), dtype=int),
        "equal": split(menu, even),
        "proportional": split(menu, even if shares is None else shares),
    }
    reached = {name: menu.objective(x, aim) if menu.allows(x) else np.nan for name, x in others.items()}
    best, objective = found, menu.objective(found, aim) if menu.allows(found) else -np.inf
    for name, value in reached.items():
        # A tie goes to doing nothing; another split is only better within the tolerance of the solver.
        if value > objective or (name == "nothing" and value >= objective):
            best, objective = others[name], value
    if not np.isfinite(objective):
        if np.isfinite(menu.max_gap):
            why = "parts of labels would bring the expected errors of all slices so close, whole ones do not"
            fix = "allow a somewhat larger gap"
            raise NoPlanError([Problem(column="largest_gap", value=float(menu.max_gap), why=why, fix=fix)])
        raise SolverError(f"no whole-label purchase keeps every limit; the {method} ended with: {status}")
    bound = max(bound, objective)
    return best, Certificate(method, status, objective, bound, **reached)


def _solved(menu: Menu, aim: Aim) -> tuple[np.ndarray, str, str, float]:
    """Purchase, method, status and bound, buying nothing left aside."""
    even = aim.weights(np.zeros(menu.fixed.size))
    simple = aim.linear and menu.error is None and not np.isfinite(menu.max_spend)
    if menu.max_labels == 0:
        return menu.low, "greedy", "no labels to buy", menu.objective(menu.low, aim)
    lots = menu.spend[menu.high > 0, 1] / menu.labels[1]  # money for one of each slice, as expected
    cheapest = lots.min(initial=np.inf) + menu.fixed_spend
    if not menu.low.any() and cheapest > menu.max_spend * (1 + 1e-9):
        if not menu.allows(menu.low):
            refuse_gap(menu, "no label can be paid for")
        return menu.low, "greedy", "no label can be paid for", menu.objective(menu.low, aim)
    if simple:
        bought, bound = greedy(menu, even)
        lost = max(bound - menu.objective(bought, aim), 0.0)
        if lost <= TOLERANCE * abs(bound):
            return bought, "greedy", "exact: concave and separable", bound
        if menu.labels.size * len(menu.slices) > WHOLE_VARIABLES:
            return bought, "envelope", f"within {lost:.3g} of the sum of concave envelopes", bound
    try:
        relaxed = programme(menu, aim, whole=False)
    except SolverError as error:
        refuse_gap(menu, str(error))
        raise
    bought = _whole(menu, aim, relaxed.bought)
    accepted = TOLERANCE if menu.max_labels <= FEW_LABELS else ROUNDING
    short = relaxed.bound - menu.objective(bought, aim) > accepted * max(abs(relaxed.bound), 1e-12)
    if (short or not menu.allows(bought)) and menu.labels.size * len(menu.slices) <= WHOLE_VARIABLES:
        try:
            exact = programme(menu, aim, whole=True, seconds=SECONDS)
        except SolverError:
            return bought, "linear programme", relaxed.status, relaxed.bound
        return exact.bought.astype(int), "mixed-integer programme", exact.status, min(exact.bound, relaxed.bound)
    return bought, "linear programme", relaxed.status, relaxed.bound


def _whole(menu: Menu, aim: Aim, bought: np.ndarray) -> np.ndarray:
    """Round to whole labels: down, then up one by one where that pays."""
    floor = np.maximum(np.floor(bought + 1e-6).astype(int), menu.low)
    reached = menu.objective(floor, aim)
    for place in np.argsort(floor - bought, kind="stable"):
        if bought[place] - floor[place] < 1e-6:
            break
        more = floor.copy()
        more[place] += 1
        if menu.allows(more) and (value := menu.objective(more, aim)) > reached:
            floor, reached = more, value
    return floor


def shadow_prices(menu: Menu, aim: Aim, bought: np.ndarray) -> pd.DataFrame:
    """Price the limits that bind a purchase: what the objective would gain, were each a little looser.

    Shapes: ``bought`` (slice,).
    """
    rows: list[tuple[str, float, str]] = []
    after, before = _marginal(menu, aim, bought)
    most, least = menu.high, menu.low
    per_label = per_money = 0.0
    each = PER_LABELS / menu.lot
    if bought.any() and bought.sum() >= menu.max_labels:
        free = bought < most
        per_label = max(0.0, float(after[free].max())) if free.any() else 0.0
        rows.append((f"all labels ≤ {menu.max_labels * menu.lot}", each * per_label, f"{PER_LABELS:,} labels"))
    price = (np.diff(menu.spend, axis=1) / np.diff(menu.labels))[np.arange(len(menu.slices)), menu.place(bought)[0]]
    if bought.any() and menu.spent(bought) + (price[bought < most].min(initial=np.inf)) > menu.max_spend:
        free = (bought < most) & (price > 0)
        per_money = max(0.0, float((after[free] / price[free]).max())) if free.any() else 0.0
        per_label = 0.0 if bought.sum() < menu.max_labels else per_label
        rows.append((f"money ≤ {round(menu.max_spend, 2):,.10g}", per_money, "unit of money"))
    level = np.maximum(per_label, per_money * price)
    for i, name in enumerate(menu.slices):
        if 0 < least[i] == bought[i]:
            rows.append((f"{name} ≥ {least[i] * menu.lot}", each * (level[i] - before[i]), f"{PER_LABELS:,} labels"))
        elif bought[i] == most[i] < menu.max_labels:
            rows.append((f"{name} ≤ {most[i] * menu.lot}", each * (after[i] - level[i]), f"{PER_LABELS:,} labels"))
    table = pd.DataFrame([r for r in rows if r[1] > 0], columns=["limit", "price", "per"])
    return table.sort_values("price", ascending=False, kind="stable", ignore_index=True)


def _marginal(menu: Menu, aim: Aim, bought: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Worth of a slice's next label and of its last."""
    slope = slopes(menu, aim.weights(menu.outcome(bought)))
    rows = np.arange(len(menu.slices))
    step, share = menu.place(bought)
    last = np.where(share > 0, step, np.maximum(step - 1, 0))
    return slope[rows, step], slope[rows, last]


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
        value = aim.value(menu.total(menu.net, found) - menu.fixed)
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
        self.length = np.diff(menu.labels)
        self.least, self.most = (  # of each segment of the grid, shape (slice, segment), as the limits leave them
            np.clip(limit[:, None] - menu.labels[:-1], 0, self.length) for limit in (menu.low, menu.high)
        )
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
        goal = np.zeros(columns)
        goal[self.segments] = -1.0
        lower = np.concatenate([(self.least / self.unit).ravel(), [-np.inf, -np.inf, -np.inf], np.zeros(binaries)])
        upper = np.concatenate([(self.most / self.unit).ravel(), [np.inf, np.inf, np.inf], np.ones(binaries)])
        if not np.isfinite(self.menu.max_gap):
            lower[self.segments + 1 : self.segments + 3] = upper[self.segments + 1 : self.segments + 3] = 0.0
        integrality = np.concatenate([np.full(self.segments, int(self.whole)), [0, 0, 0], np.ones(binaries)])
        result = milp(
            goal,
            integrality=integrality,
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(_padded(rows, columns), -np.inf, at_most),
            options={"time_limit": seconds, "mip_rel_gap": 1e-9},
        )
        if result.x is None:
            raise SolverError(result.message)
        dual = result.mip_dual_bound if integrality.any() and result.mip_dual_bound is not None else result.fun
        fill = np.clip(result.x[: self.segments].reshape(self.least.shape) * self.unit, self.least, self.most)
        return (np.round(fill) if self.whole else fill), -float(dual) * self.scale, str(result.message)

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
        if np.isfinite(menu.max_gap) and menu.error is not None:
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
    blocks = [scipy.sparse.csr_array(row) for row in rows]
    for block in blocks:
        block.resize(block.shape[0], columns)
    return scipy.sparse.vstack(blocks, format="csr")
