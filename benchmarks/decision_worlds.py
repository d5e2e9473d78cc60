"""Simulated worlds with known truth: how far a plan falls short of the oracle's, and whether promises come true.

Worlds are drawn by the independent simulator of ``tests/statistics``; beyond the data each curve strays from its family
by a path of its own, on which plans are then judged. Each world is decided twice: where all labels that there is money
for are worth buying, and where an error point is worth so little that the question is how many.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

import labelvalue as lv
from labelvalue import names
from labelvalue.decisions.advice.rules import state_of
from tests.statistics import world as simulator

MAX_LABELS = 24_000
VALUE = 400.0  # money of an error point
THRIFTY = (25.0, 110.0)
"""The same where the question is how many: drawn log-uniformly, so that the best plan is mostly inside the limits."""
LITTLE = 20.0
"""Money of an error point where a guardrail is put to the test: so little that the guardrail must move the plan."""
MUCH = 50.0
"""Money to gain, as much as retraining costs, above which regret is shown apart: a share of little is all noise."""
RULED = 8_000  # labels, split equally, of which the rule of a minimum gain is asked
GAINS = (0.0005, 0.001, 0.0015, 0.002, 0.003)  # minimum gains for each 1,000 labels that are tried
STEPS = (4_000, 1_000, 250, 50)
PROMISED = 0.9
BETTER = 0.94
"""The error that a slice shall have with that probability, over what it has today by the mean of its draws."""
DOUBLINGS = np.arange(0.0, 8.01, 0.25)


@cache
def bench() -> simulator.Bench:
    return simulator.Bench()


class Truth:
    """Net benefit and errors of any plan in one world."""

    def __init__(self, world: simulator.World, seed: int):
        rng = np.random.default_rng([seed, 77])
        self.slices = simulator.SLICES
        self.curves = world.curves
        count = len(self.slices)
        self.own = np.full(count, float(simulator.SIZES[-1]))
        self.beside = self.own * np.mean(simulator.OTHER)
        own, common = np.sqrt(1.0 - simulator.SHARED), np.sqrt(simulator.SHARED) * simulator.astray(DOUBLINGS, rng)
        self.paths = np.stack(
            [
                discrepancy
                * (own * simulator.astray(DOUBLINGS, rng) + common + simulator.flattened(DOUBLINGS, scatter))
                for discrepancy, scatter in zip(world.curves["discrepancy"], world.curves["training_sd"], strict=True)
            ]
        )
        self.value = VALUE
        self.harder = world.on_set / world.start
        """Error on the items that a slice's runs share over that in the population; 1 where they share none."""
        self.price = np.round(0.02 * np.exp(rng.normal(0.0, 0.6, count)), 4)
        self.stakes = np.round(np.exp(rng.normal(0.0, 0.5, count)), 2)
        self.case = {
            "costs": {"price_per_label": dict(zip(self.slices, self.price.tolist(), strict=True)), "retraining": 50},
            "value": {"per_error_point": VALUE, "stakes": dict(zip(self.slices, self.stakes.tolist(), strict=True))},
        }

    def worth(self, value: float) -> Truth:
        """The same world where an error point has another worth."""
        other = copy.copy(self)
        other.value = value
        other.case = self.case | {"value": self.case["value"] | {"per_error_point": value}}
        return other

    def errors(self, bought: np.ndarray) -> np.ndarray:
        """True expected error of each slice."""
        curves, found = self.curves, np.empty(bought.size)
        for i in range(bought.size):
            worth, elasticity, floor = (curves[k][i] for k in ("transfer", "curve_elasticity", "floor_share"))
            now = simulator.effective(self.own[i], self.beside[i], worth)
            then = simulator.effective(self.own[i] + bought[i], self.beside[i] + bought.sum() - bought[i], worth)
            path = np.interp(max(np.log2(then / now), 0.0), DOUBLINGS, self.paths[i])
            shape = simulator.relative_error(then / now, elasticity, floor)
            found[i] = min(curves["error_reference"][i] * shape * np.exp(path), 1.0)
        return found

    def benefit(self, bought: np.ndarray) -> float:
        """True net benefit."""
        if bought.sum() == 0:
            return 0.0
        gain = self.errors(np.zeros_like(bought)) - self.errors(bought)
        return float((gain * self.stakes).sum() * 100 * self.value - (bought * self.price).sum() - 50)

    def oracle(self, *starts: np.ndarray) -> np.ndarray:
        """The best plan that steps and swaps of falling size find from several starts."""
        count = len(self.slices)
        every = [np.zeros(count), np.full(count, MAX_LABELS / count), *(s.astype(float) for s in starts)]
        best = max((self._climbed(start, self.benefit) for start in every), key=self.benefit)
        return best if self.benefit(best) > 0 else np.zeros(count)

    def _climbed(self, start: np.ndarray, worth: Callable[[np.ndarray], float]) -> np.ndarray:
        at, reached = start, worth(start)
        moves = np.concatenate([np.eye(start.size), -np.eye(start.size)])
        swaps = [a - b for a in np.eye(start.size) for b in np.eye(start.size) if (a != b).any()]
        for step in STEPS:
            moved = True
            while moved:
                moved = False
                for move in [*moves, *swaps]:
                    other = np.maximum(at + step * move, 0.0)
                    if other.sum() <= MAX_LABELS and (value := worth(other)) > reached + 1e-9:
                        at, reached, moved = other, value, True
        return at


def judge(seed: int) -> dict:
    """One world: regret of several plans, and what was promised against what came true."""
    started = time.perf_counter()
    world = bench().simulate(seed)
    truth = Truth(world, seed)
    fit = lv.fit(world.runs, bench().model, random_seed=seed, progress=False)
    low, high = np.log(THRIFTY)
    little = float(np.exp(np.random.default_rng([seed, 78]).uniform(low, high)))
    row = {
        "plenty": decided(fit, world, truth),
        "thrifty": decided(fit, world, truth.worth(little)),
        "guardrail": guardrail(fit, truth),
        "minimum gain": minimum_gain(fit, truth),
    }
    return row | {"seconds": time.perf_counter() - started}


def decided(fit: lv.Fit, world: simulator.World, truth: Truth) -> dict:
    """What our plan and others bring in a world, against the oracle's."""
    plan = lv.decide(fit, lv.Case(**truth.case), max_labels=MAX_LABELS, measure=False)
    count = len(truth.slices)
    ours = np.array([plan.labels[name] for name in truth.slices], dtype=float)
    plans = {
        "labelvalue": ours,
        "equal split of all": np.full(count, MAX_LABELS / count),
        "equal split of as many": np.full(count, ours.sum() / count),
        "Slice-Tuner-like": least_squares_plan(world, truth),
        "do nothing": np.zeros(count),
    }
    best = truth.oracle(*plans.values())
    net = {name: truth.benefit(bought) for name, bought in plans.items()}
    promised = float((plan.advantage() > 0).mean())
    row = {"oracle": truth.benefit(best), "net": net, "expected": float(plan.advantage().mean())}
    row["labels"] = {"labelvalue": int(ours.sum()), "oracle": int(best.sum())}
    row["chances"] = [[promised, net["labelvalue"] > 0]] if ours.sum() else []
    return row


def guardrail(fit: lv.Fit, truth: Truth) -> dict:
    """A floor on the slice with the highest stakes: the probability that the plan reaches it, and whether it did.

    Beside the promise, which is about the population, what the same draws say of the evaluation items at hand; and
    where among the draws the truth of each slice lies.
    """
    place = int(truth.stakes.argmax())
    name = truth.slices[place]
    limit = BETTER * float(fit.posterior["error_now"].sel(slice=name).mean())
    floors = [{"slice": name, "error": limit, "probability": PROMISED}]
    cheap = truth.worth(LITTLE).case
    case = lv.Case(**cheap, guardrails={"floors": floors})
    plan = lv.decide(fit, case, max_labels=MAX_LABELS, measure=False)
    if plan.problems:
        return {"feasible": False}
    bought = np.array([plan.labels[s] for s in truth.slices], dtype=float)
    free = lv.decide(fit, lv.Case(**cheap), max_labels=MAX_LABELS, measure=False).labels[name]
    wide = plan.outcomes["error"].sel(plan="recommended")
    drawn = lv.plans.plan_outcomes(lv.on_items(fit), case, {"recommended": plan.labels})["error"].sel(
        plan="recommended"
    )
    true = truth.errors(bought)
    return {
        "feasible": True,
        "promised": float(plan.rules["p_kept"].iloc[0]),
        "held": bool(true[place] <= limit),
        "promised on the items": float((drawn.sel(slice=name) <= limit).mean()),
        "held on the items": bool(true[place] * truth.harder[place] <= limit),
        "shared": bool(simulator.SHARING[place]),
        "binding": plan.labels[name] > free,
        "ranks": [float((wide.sel(slice=s) < e).mean()) for s, e in zip(truth.slices, true, strict=True)],
        "ranks on the items": [
            float((drawn.sel(slice=s) < e).mean()) for s, e in zip(truth.slices, true * truth.harder, strict=True)
        ],
    }


def minimum_gain(fit: lv.Fit, truth: Truth) -> dict:
    """Probabilities with which the rule is kept, and what labels bring."""
    count = len(truth.slices)
    cases = [lv.Case(**truth.case, guardrails={"minimum_gain": {"limit": limit}}) for limit in GAINS]
    outcomes = lv.plans.plan_outcomes(fit, cases[0], {"all": dict.fromkeys(truth.slices, RULED // count)})
    chance = [float(lv.rules.check_guardrails(fit, case, outcomes)["p_kept"].item()) for case in cases]
    true = truth.errors(np.zeros(count)) - truth.errors(np.full(count, RULED / count))
    return {"chance": chance, "true": float(true.mean() / RULED * 1000)}


def least_squares_plan(world: simulator.World, truth: Truth) -> np.ndarray:
    """A power law for every slice alone by least squares, and the plan that is best if it were true."""
    runs = world.runs.to_dataframe()
    level, steepness = np.empty(len(truth.slices)), np.empty(len(truth.slices))
    for i, name in enumerate(truth.slices):
        own = runs[(runs["slice"] == name) & (runs["other_labels"] == 0)]
        slope, start = np.polyfit(np.log(own["labels"].astype(float)), np.log(own["error"].astype(float)), 1)
        level[i], steepness[i] = start, np.clip(-slope, 0.0, 1.5)

    def worth(bought: np.ndarray) -> float:
        gain = np.exp(level) * (truth.own**-steepness - (truth.own + bought) ** -steepness)
        return float((gain * truth.stakes).sum() * 100 * truth.value - (bought * truth.price).sum())

    best = truth._climbed(np.zeros(len(truth.slices)), worth)
    return best if worth(best) > 50 else np.zeros(len(truth.slices))


def run(seeds: Iterable[int], keep: Callable[[int, Callable[[], dict]], dict]) -> dict:
    """Judge every world, and sum up."""
    rows = []
    for seed in seeds:
        rows.append(keep(seed, lambda s=seed: judge(s)))
        print(f"world {seed}: {rows[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    rails = [row["guardrail"] for row in rows if row["guardrail"]["feasible"]]
    found = {"worlds": len(rows)}
    found |= {kind: _regret([row[kind] for row in rows]) for kind in ("plenty", "thrifty")}
    parts = {
        "all": rails,
        "binding": [one for one in rails if one["binding"]],
        "one shared evaluation set": [one for one in rails if one["shared"]],
        "a set for each run": [one for one in rails if not one["shared"]],
    }
    found["guardrails"] = {name: _held(part) for name, part in parts.items() if part}
    for kind in ("ranks", "ranks on the items"):
        below = np.array([one[kind] for one in rails])
        found["guardrails"][f"{kind}: below .1, .5, .9"] = [float((below <= q).mean()) for q in (0.1, 0.5, 0.9)]
    chance = np.array([row["minimum gain"]["chance"] for row in rows])
    true = np.array([row["minimum gain"]["true"] for row in rows])
    found["minimum gain"] = {
        str(limit): {
            str(q): rule_errors(chance[:, at], true >= limit, q) | {"kept": int((true >= limit).sum())}
            for q in (0.5, 0.8, 0.9)
        }
        for at, limit in enumerate(GAINS)
    }
    return found


def rule_errors(chance: np.ndarray, kept: np.ndarray, probability: float) -> dict[str, float]:
    """Count how often a rule that asks for a probability errs, by P(kept) as stated in each world and by its truth.

    ``false_stop`` is the share that stops among worlds in which the rule is kept, ``false_go`` the share that passes
    among those in which it is not (NaN where there are none), each with its standard error.
    """
    states = np.array([state_of(one, probability) for one in chance])
    stops, passes = states == names.STOP, states == names.PASS
    made = {"stops": float(stops.mean()), "undecided": float((~stops & ~passes).mean()), "worlds": float(kept.size)}
    for name, wrong, among in (("false_stop", stops, kept), ("false_go", passes, ~kept)):
        count = int(among.sum())
        share = float(wrong[among].mean()) if count else np.nan
        made |= {name: share, f"{name}_error": float(np.sqrt(share * (1.0 - share) / count)) if count else np.nan}
    return made


def _regret(rows: list[dict]) -> dict:
    """Regret of every plan as a share of the oracle's net benefit, and money."""
    worth = [row for row in rows if row["oracle"] > 0]
    regret = {name: [(r["oracle"] - r["net"][name]) / r["oracle"] for r in worth] for name in rows[0]["net"]}
    chances = np.array([pair for row in rows for pair in row["chances"]], dtype=float).reshape(-1, 2)
    return {
        "worlds": len(rows),
        "with something to gain": len(worth),
        "inside the limits": sum(0 < r["labels"]["oracle"] < MAX_LABELS for r in rows),
        "regret": {n: [float(x) for x in np.quantile(r, [0.5, 0.25, 0.75, 0.9])] for n, r in regret.items()},
        "much": _ours([row for row in worth if row["oracle"] > MUCH]),
        "labels": {n: float(np.mean([r["labels"][n] for r in rows])) for n in rows[0]["labels"]},
        "bought for nothing": sum(r["labels"]["labelvalue"] > 0 and r["labels"]["oracle"] == 0 for r in rows),
        "not bought": sum(r["labels"]["labelvalue"] == 0 and r["labels"]["oracle"] > 0 for r in rows),
        "money": {n: float(np.mean([r["net"][n] for r in rows])) for n in rows[0]["net"]},
        "oracle": float(np.mean([r["oracle"] for r in rows])),
        "expected": float(np.mean([r["expected"] for r in rows])),
        "positive": {"promised": float(chances[:, 0].mean()), "came": float(chances[:, 1].mean()), "of": len(chances)},
    }


def _ours(rows: list[dict]) -> dict:
    regret = [(row["oracle"] - row["net"]["labelvalue"]) / row["oracle"] for row in rows]
    return {"worlds": len(rows), "regret": [float(x) for x in np.quantile(regret, [0.5, 0.25, 0.75])]}


def _held(rails: list[dict]) -> dict:
    """Means of what was promised, shares that held, and the standard errors of those shares."""
    made: dict = {"of": len(rails)}
    for kind in ("", " on the items"):
        held = np.array([one[f"held{kind}"] for one in rails], dtype=float)
        share, promised = float(held.mean()), float(np.mean([one[f"promised{kind}"] for one in rails]))
        made[f"promised, held, error{kind}"] = [promised, share, float(np.sqrt(share * (1 - share) / held.size))]
    return made


def table(found: dict) -> str:
    """Markdown of all worlds."""
    lines = []
    for kind in ("plenty", "thrifty"):
        part = found[kind]
        lines.append(
            f"**{kind}**: {part['worlds']} worlds, {part['with something to gain']} with something to gain, the best "
            f"plan inside the limits in {part['inside the limits']}\n"
        )
        lines.append("| plan | regret: median | quarter | three quarters | nine tenths | mean net benefit |")
        lines.append(6 * "|---" + "|")
        for name, (middle, low, high, far) in part["regret"].items():
            shares = " | ".join(f"{100 * x:.1f} %" for x in (middle, low, high, far))
            lines.append(f"| {name} | {shares} | {part['money'][name]:,.0f} |")
        positive, much = part["positive"], part["much"]
        middle, low, high = (100 * x for x in much["regret"])
        lines += [
            f"| oracle | | | | | {part['oracle']:,.0f} |",
            f"\nExpected net benefit of our plans {part['expected']:,.0f}. P(net benefit > 0): promised "
            f"{positive['promised']:.3f}, came {positive['came']:.3f} of {positive['of']}. Labels: {_labels(part)}. "
            f"Our regret in the {much['worlds']} worlds with more than {MUCH:g} to gain: {middle:.1f} % "
            f"({low:.1f} to {high:.1f} % in the middle half).\n",
        ]
    return "\n".join([*lines, *_rails_table(found["guardrails"]), "", *_gain_table(found["minimum gain"])])


def _labels(part: dict) -> str:
    ours, best = (f"{part['labels'][name]:,.0f}" for name in ("labelvalue", "oracle"))
    wrong = f"bought where nothing pays {part['bought for nothing']}, not bought where it does {part['not bought']}"
    return f"ours {ours}, the oracle {best}; {wrong}"


def _rails_table(rails: dict) -> list[str]:
    lines = [
        "| floors | of | promised | held in the population | said of the items | held on the items |",
        6 * "|---" + "|",
    ]
    for name, part in rails.items():
        if isinstance(part, dict):
            cells = [name, str(part["of"])]
            for kind in ("", " on the items"):
                promised, held, error = part[f"promised, held, error{kind}"]
                cells += [f"{promised:.3f}", f"{held:.3f} ± {error:.3f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _gain_table(rules: dict) -> list[str]:
    lines = [
        "| gain per 1,000 labels ≥ | kept in | with probability | stops | undecided | false stops | false goes |",
        7 * "|---" + "|",
    ]
    for limit, by_probability in rules.items():
        for probability, one in by_probability.items():
            cells = [f"{100 * float(limit):g} points", str(one["kept"]), probability]
            cells += [f"{one[kind]:.2f}" for kind in ("stops", "undecided")]
            for kind in ("false_stop", "false_go"):
                known = np.isfinite(one[kind])
                cells.append(f"{one[kind]:.2f} ± {one[f'{kind}_error']:.2f}" if known else "no such world")
            lines.append("| " + " | ".join(cells) + " |")
    return lines
