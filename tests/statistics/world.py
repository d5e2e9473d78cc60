"""A world that is written a second time: NumPy alone, nothing of the library but the priors' numbers.

One layout of runs is simulated throughout, so that one compiled model serves every data set: four slices, five sizes,
two compositions a size (alone, and with four times as many labels of other slices), three runs of each. The first two
slices give every run an evaluation set of its own; the last two share one set among all their runs.
"""

import dataclasses

import numpy as np
import pandas as pd
from scipy import special

from labelvalue import Prior, get_model, read_runs
from labelvalue.model.curve.observations import in_a_row, observe
from labelvalue.model.fitting.fitting import assemble
from labelvalue.model.prior.priors import suited
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings
from labelvalue.model.sampling.sampling import Compiled, compile_model, sample_once

SIZES = 250 * 2 ** np.arange(5)
OTHER = (0, 4)
REPLICATES = 3
AHEAD = (2, 4, 8)
SLICES = ("east", "north", "south", "west")
SHARING = np.array([False, False, True, True])

NARROW = {
    "error_mean": ("normal", -2.1, 0.3),
    "error_spread": ("lognormal", -1.2, 0.3),
    "elasticity_mean": ("normal", -1.8, 0.3),
    "elasticity_spread": ("lognormal", -1.2, 0.3),
    "floor_mean": ("normal", -0.5, 0.5),
    "floor_spread": ("lognormal", -0.9, 0.3),
    "transfer_mean": ("student", 0.06, 0.03),
    "transfer_spread": ("lognormal", -3.2, 0.3),
    "training_mean": ("normal", -2.8, 0.35),
    "training_spread": ("lognormal", -1.2, 0.3),
    "training_decay": ("lognormal", -0.7, 0.3),
    "churn": ("logitnormal", -0.5, 0.7),
    "discrepancy_mean": ("normal", -3.6, 0.35),
    "discrepancy_spread": ("lognormal", -1.0, 0.3),
    "discrepancy_power": ("normal", 0.5, 0.15),
}  # priors narrow enough that what is drawn from them looks like learning curves
SHAPES = {
    "headroom": ("headroom", np.exp),
    "break": ("break_distance", lambda level: np.log1p(np.exp(level))),
    "early": ("early_share", np.exp),
}  # what only some families have: the parameter of a curve, and how it follows from its level
FAMILIES = {
    "power_law": {},
    "exponential": {},
    "morgan_mercer_flodin": {"headroom_mean": ("normal", 1.3, 0.3), "headroom_spread": ("lognormal", -1.5, 0.3)},
    "broken_power_law": {
        "break_mean": ("normal", 1.5, 0.4),
        "break_spread": ("lognormal", -1.2, 0.3),
        "early_mean": ("normal", -1.0, 0.4),
        "early_spread": ("lognormal", -1.2, 0.3),
    },
}  # priors that a family has beside ``NARROW``
TURN = 0.5  # doublings over which a broken power law turns


@dataclasses.dataclass(frozen=True)
class World:
    """One simulated data set and everything it was made from."""

    runs: object
    group: dict[str, float]
    curves: dict[str, np.ndarray]
    future: np.ndarray  # True expected error at 2, 4 and 8 times the reference, other slices kept: (slice, distance)
    start: np.ndarray  # True expected error at the reference (slice)
    on_set: np.ndarray  # the same on the evaluation set that the slice's runs share, where they share one (slice)
    shape: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Parameters that the curves have beside elasticity and floor (slice)."""


def draw(prior: Prior, rng: np.random.Generator) -> float:
    z = rng.standard_t(4) if prior.distribution == "student" else rng.standard_normal()
    raw = prior.center + prior.spread * z
    if prior.distribution == "lognormal":
        return float(np.exp(raw))
    if prior.distribution == "logitnormal":
        return float(1 / (1 + np.exp(-raw)))
    return float(raw)


def signed(level):
    """Elasticity of a level: its exponential, which goes on through 0 where it would fall below 0.004."""
    return 0.008 * np.sinh(level - np.log(0.004))


def effective(labels, other, worth):
    """Labels that a training set amounts to."""
    return labels + worth * other if worth >= 0 else labels * np.exp(worth * other / labels)


TYPICAL_WORTH = 0.05  # worth of another slice's label from which on the level is the worth


def worth_of(level, typical):
    """Worth of another label: the level itself, and below the typical worth straight in the log of effective labels."""
    beside = np.mean(OTHER)
    boost = np.log(1 + typical * beside) + beside * (level - typical) / (1 + typical * beside)
    low = np.where(boost > 0, np.exp(np.clip(boost, 0, 9)) - 1, boost) / beside
    return np.where(level > typical, level, low)


def relative_error(size, elasticity, floor, family="power_law", shape=()):
    """Error over the error at size 1 of a curve with a floor whose slope at 1 is minus the elasticity."""
    return floor + (1 - floor) * ABOVE_FLOOR[family](size, elasticity / (1 - floor), *shape)


def plateau_first(size, rate, headroom):
    return (1 + headroom) / (1 + headroom * size ** (rate * (1 + headroom) / headroom))


def two_slopes(size, rate, distance, early):
    before, turn = np.exp(distance / TURN), size ** (1 / (TURN * np.log(2)))
    later = rate * (1 - early) * (1 + 1 / before)  # what the slope gains at the break, were it wholly past it
    return size ** (-rate * early) * ((1 + before * turn) / (1 + before)) ** (-TURN * np.log(2) * later)


ABOVE_FLOOR = {
    "power_law": lambda size, rate: size**-rate,
    "exponential": lambda size, rate: np.exp(rate * (1 - size)),
    "morgan_mercer_flodin": plateau_first,
    "broken_power_law": two_slopes,
}  # how the part above the floor falls: 1 at size 1


def wrong_answers(p, trials, items, likeness, rng):
    """Count wrong answers of one run with error p.

    On a set of its own (items None) a binomial. On a shared set every item is as hard for one run as for the next.
    """
    if items is None:
        return rng.binomial(trials, p)
    return int((special.betainc(*_shape(p, likeness), rng.random(trials)) < items).sum())


def difficulty(p, items, likeness):
    """Probability of a wrong answer of each item; its variance over items is ``likeness`` times p (1 - p)."""
    return special.betaincinv(*_shape(p, likeness), items)


def _shape(p, likeness):
    return p * (1 / likeness - 1), (1 - p) * (1 / likeness - 1)


def astray(distance, rng):
    """Log error that a slope adds whose walk gains 1 in elasticity a doubling: one dense Gaussian draw."""
    near, far = np.minimum.outer(distance, distance), np.maximum.outer(distance, distance)
    covariance = np.log(2.0) ** 2 * near**2 * (3.0 * far - near) / 6.0
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(distance.size))


FLATTENING, BY_SCATTER, WIDER, SHARED = 0.24, -0.5, 0.4, 0.5
"""Mean of a walk beyond the reference, in its standard deviations; what one log more of scatter adds to it, and to the
log of how far walks stray about it; the share of their variance that all slices have in common."""


def scattering(training_sd):
    return np.clip(np.log(training_sd / 0.05), -2.0, 2.0)


def flattened(distance, training_sd):
    """Log error that the mean of such a walk adds beyond the reference size."""
    return (FLATTENING + BY_SCATTER * scattering(training_sd)) * np.log(2.0) * np.sqrt(distance**3 / 3.0)


def simulate(
    priors,
    seed,
    *,
    trials=1500,
    sharing=SHARING,
    cap=0.97,
    family="power_law",
    replicates=REPLICATES,
    jitter=0.0,
    slight=0.0,
) -> World:
    """Draw parameters from the priors, curves from the group, and runs from the curves.

    With jitter, each run below the largest size has a size of its own, spread so much on the logarithm.
    """
    rng = np.random.default_rng(seed)
    count = len(SLICES)
    group = {name: draw(prior, rng) for name, prior in priors.items()}

    def curve_level(name):
        return group[f"{name}_mean"] + group[f"{name}_spread"] * rng.standard_normal(count)

    level = curve_level("error")
    bending = np.log1p(np.exp(curve_level("floor")))
    curves = {
        "error_reference": 1 / (1 + np.exp(-level)),
        "curve_elasticity": signed(curve_level("elasticity")),
        "floor_share": bending / (1 + bending),
        "transfer": worth_of(curve_level("transfer"), TYPICAL_WORTH),
        "training_sd": np.exp(curve_level("training")),
    }
    own = [stem for stem in SHAPES if f"{stem}_mean" in priors]
    shape = {SHAPES[stem][0]: SHAPES[stem][1](curve_level(stem)) for stem in own}
    steeper = np.log(np.hypot(curves["curve_elasticity"], slight) / 0.05)
    curves["discrepancy"] = np.exp(curve_level("discrepancy") + group["discrepancy_power"] * steeper)
    largest = int(SIZES[-1])
    beside = largest * np.mean(OTHER)
    rows, start, on_set = [], np.empty(count), np.empty(count)
    future, far = np.empty((2, count, len(AHEAD)))
    for i, name in enumerate(SLICES):
        worth, elasticity, floor = (curves[k][i] for k in ("transfer", "curve_elasticity", "floor_share"))
        bend = elasticity, floor, family, [values[i] for values in shape.values()]
        anchor = effective(largest, beside, worth)
        ladder = SIZES
        if jitter:
            below = np.repeat(SIZES[:-1], replicates)
            ladder = np.append(np.unique(np.rint(below * np.exp(jitter * rng.standard_normal(below.size)))), largest)
        back = curves["discrepancy"][i] * astray(np.log2(largest / ladder)[::-1], rng)[::-1]
        items = np.sort(rng.random(trials)) if sharing[i] else None
        for size, stray in zip(ladder.astype(int), back, strict=True):
            for times in OTHER:
                other = int(times * size)
                ratio = effective(size, other, worth) / anchor
                expected = curves["error_reference"][i] * relative_error(ratio, *bend) * np.exp(stray)
                shrink = ((size + other) / (largest + beside)) ** (-group["training_decay"] / 2)
                for replicate in range(1 if jitter and size < largest else replicates):
                    luck = curves["training_sd"][i] * shrink * rng.standard_normal()
                    p = min(expected * np.exp(min(luck, 700.0)), cap)
                    wrong = wrong_answers(p, trials, items, 1 - group["churn"], rng)
                    ident = f"set of {name}" if sharing[i] else ""
                    rows.append((name, size, other, wrong, trials, replicate, ident))
        ratios = np.array([effective(k * largest, beside, worth) for k in AHEAD]) / anchor
        distance = np.maximum(np.log2(ratios), 0.0)
        alone = np.sqrt(1.0 - SHARED) * np.exp(WIDER * scattering(curves["training_sd"][i])) * astray(distance, rng)
        stray = curves["discrepancy"][i] * (alone + flattened(distance, curves["training_sd"][i]))
        ahead = relative_error(ratios, *bend) * np.exp(stray)
        start[i] = curves["error_reference"][i]
        on_set[i] = difficulty(start[i], items, 1 - group["churn"]).mean() if sharing[i] else start[i]
        future[i], far[i] = start[i] * ahead, distance
    together = np.sqrt(SHARED) * astray(far.ravel(), rng).reshape(far.shape)
    scale = curves["discrepancy"] * np.exp(WIDER * scattering(curves["training_sd"]))
    future = np.minimum(future * np.exp(scale[:, None] * together), 1.0)
    columns = ["slice", "labels", "other_labels", "errors", "trials", "replicate", "evaluation_set"]
    runs = read_runs(pd.DataFrame(rows, columns=columns))
    return World(runs=runs, group=group, curves=curves, future=future, start=start, on_set=on_set, shape=shape)


def likely(runs):
    """Whether counts are neither so few that their log is not normal nor at their bound, and no curve plainly rises."""
    wrong, share = runs["errors"].values, runs["errors"].values / runs["trials"].values
    return wrong.min() >= 30 and share.max() <= 0.8 and bool((observe(runs)["plain_elasticity"] >= 0).all())


class Bench:
    """The one compiled model, and fits of many data sets by it; ``layout`` says how their runs differ from others'."""

    def __init__(self, family="power_law", *, shipped=False, plain=False, **layout):
        self.family, self.shipped, self.plain, self.layout = family, shipped, plain, layout
        self.priors = {name: Prior(*numbers) for name, numbers in (NARROW | FAMILIES[family]).items()}
        model = get_model(family)
        if shipped:
            bank = suited(model.priors, len(SLICES), 1)
            self.priors = {name: bank[name] for name in self.priors}
            self.layout |= {"slight": 0.008}
        self.model = dataclasses.replace(model, priors=model.priors.replace(self.priors))
        alien = set(self.model.priors) - set(self.priors) - {"elasticity_between"}  # for several learners
        alien = {name for name in alien if not name.startswith(("efficiency", "noise_cost", "diversity"))}
        assert not alien, f"a new prior: give the simulator its part of {alien}"
        self._compiled = {}
        self.seen = None  # observations of the last fit

    def simulate(self, seed, **more) -> World:
        """A world; of the shipped bank, whose draws may be any curves, one whose runs are within what the model is for.

        That looks at the runs alone, so the truth stays one more draw of the posterior given them.
        """
        for attempt in range(1000):
            world = simulate(self.priors, seed + 10**6 * attempt, family=self.family, **self.layout | more)
            if not self.shipped or likely(world.runs):
                return world
        raise RuntimeError("no world is likely")

    def observe(self, runs):
        return observe(runs)

    def compiled(self, observations, changes=()):
        """Compile once for each set of priors; swap the data in."""
        key = tuple(sorted(changes))
        if key not in self._compiled:
            priors = self.model.priors.replace(dict(changes))
            made = compile_model(self.model.build(observations, priors))
            self._compiled[key] = Compiled(made.model, "asked for by a test") if self.plain else made
        compiled = self._compiled[key]
        row = in_a_row(observations)
        fresh = compiled.with_data(**{name: row[name] for name in compiled.model.data})
        return dataclasses.replace(fresh, whitenable=compiled.whitenable) if self.plain else fresh

    def sample(self, runs, seed=0, *, changes=(), chains=2, tune=200, draws=250, target_accept=0.9):
        self.seen = observations = self.observe(runs)
        settings = SamplerSettings(draws=draws, tune=tune, chains=chains, target_accept=target_accept, random_seed=seed)
        compiled = self.compiled(observations, changes)
        try:
            tree = sample_once(compiled, settings)
        except RuntimeError as why:  # no start for whitened chains: what a fit does then
            tree = sample_once(Compiled(compiled.model, str(why)), settings)
        return observations, settings, tree

    def fit(self, runs, seed=0, **more):
        """A Fit as ``labelvalue.fit`` makes it, from the shared compiled model, unjudged."""
        observations, settings, tree = self.sample(runs, seed, **more)
        now = observations["labels"].where(observations["used"] > 0).max(("knot", "slot"))
        return assemble(
            runs, observations, now.rename(None), tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset(),
            self.model, Diagnostics("ok", (), {}), settings, [],
        )  # fmt: skip
