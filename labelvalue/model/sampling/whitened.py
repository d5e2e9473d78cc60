"""Chains in whitened coordinates: adapted together, and gone on with until whoever asks is content."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import xarray as xr

from labelvalue.model.sampling import hmc
from labelvalue.model.sampling.chains import KeptRounds
from labelvalue.model.sampling.compiled import CompiledModel
from labelvalue.model.sampling.diagnostics import SamplerSettings, convergence
from labelvalue.model.sampling.mode_and_metric import Density, Layout, Place, Search, coupled, find_layout, recentred

ACCEPT = 0.9  # mean acceptance that the adaptation of steps aims at (measured: benchmarks/README.md)
WARM_UP, STEPS = (0.1, 0.2, 0.5), 0.2
"""Shares of the adaptation; after each of the first the map is made anew from the draws of all chains, and the last is
for the size of steps with the map that stays."""
GUESSES = 100  # draws of Laplace's approximation for each chain, from which the map is made first
AGREED, MOST_AGAIN = 1.1, 8
"""R-hat of the group above which chains have not found to each other: the map, made from where each of them was, is
too narrow for what lies between, so that it is made again, and the adaptation goes on, so many times at most."""
FIRST_STEP = 0.2
ROUND = 125  # draws a chain makes before all are looked at, and kept where they take long
LONG_S = 1.0  # seconds of sampling from which on what is finished is kept
LOOK_S = 0.2
ADAPTING, SAMPLING = "adapting", "sampling"
POINTS = 8  # starts of the model about whose mean the search begins
HALVINGS = 20


@dataclasses.dataclass(frozen=True)
class Whitenable:
    """A compiled model whose curves are independent given its group, its layout, density, and start (coordinate)."""

    compiled: CompiledModel
    layout: Layout
    density: Density
    start: np.ndarray


def whitenable(compiled: CompiledModel) -> Whitenable | str:
    """Find the curves of a compiled model; a text that says why not, where it cannot be whitened by them."""
    made = compiled.layout
    free = sum(place[1] <= made.inputs for place in made.places)
    layout = find_layout(made.names[:free], made.places[:free], made.shapes[:free], compiled.dims)
    if layout is None:
        return "the model has no curves, or too much that they share"
    threads = ThreadPoolExecutor(os.cpu_count() or 1)
    density = Density(compiled.density, compiled.pointers(), threads)
    start = np.mean([compiled.start(seed) for seed in range(POINTS)], axis=0)
    if not np.isfinite(density(start[None])[0][0]):
        return "the density is not finite at the mean of the starts"
    if coupled(density, layout, start):
        return "the curves are not independent given what they share"
    return Whitenable(compiled, layout, density, start)


def signature(problem: Whitenable) -> dict[str, np.ndarray]:
    """Return what tells one density from another: a few places, and the log density and its gradient there."""
    places = problem.start + np.random.default_rng(0).normal(0.0, 0.1, (3, problem.start.size))
    values, slopes = problem.density(places)
    return {"places": places, "values": values, "slopes": slopes}


@dataclasses.dataclass
class _Chains:
    """All chains: where they are, their random numbers and steps, and the map that they share."""

    problem: Whitenable
    place: Place
    at: np.ndarray
    rngs: list[np.random.Generator]
    steps: np.ndarray
    advance: Callable[[int, str], object]

    def go(self, draws: int, target: float) -> tuple[np.ndarray, np.ndarray]:
        """Let every chain make draws, side by side; places, shape (chain, draw, coordinate), and statistics."""
        count, size = self.at.shape
        draws_made, stats = np.empty((count, draws, size)), np.empty((count, draws, len(hmc.STATISTICS)))
        done = np.zeros((count, 1), dtype=np.int64)
        density, layout = self.problem.density, self.problem.layout

        def one(k: int) -> float:
            room = self.place.room(layout)
            return hmc.run(
                density.function, density.data, room, self.rngs[k], self.at[k], draws_made[k], stats[k],
                self.steps[k], target, done[k],
            )  # fmt: skip

        what = ADAPTING if target else SAMPLING
        working, told = [density.threads.submit(one, k) for k in range(count)], 0
        try:
            while wait(working, timeout=LOOK_S).not_done:
                told += self._tell(int(done.sum()) - told, what)
        except BaseException:
            done[:] = np.iinfo(np.int64).min  # each chain ends with the draw it is at
            wait(working)
            raise
        self._tell(count * draws - told, what)
        self.steps = np.array([work.result() for work in working])
        return draws_made, stats

    def _tell(self, fresh: int, what: str) -> int:
        if fresh > 0:
            self.advance(fresh, what)
        return max(fresh, 0)

    def move(self, place: Place, draws: np.ndarray) -> None:
        """Take another map; the chains stay where they are."""
        self.place = place
        self.at = np.array([place.whitened(self.problem.layout, chain[-1]) for chain in draws])


def _begin(problem: Whitenable, settings: SamplerSettings, advance: Callable[[int, str], object]) -> _Chains:
    """Chains at draws from Laplace's approximation, nearer to its middle where it is far off there."""
    advance(0, "finding the mode")
    place = Search(problem.density, problem.layout, problem.start).run()
    seeds = np.random.SeedSequence(settings.random_seed).spawn(settings.chains)
    rngs = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
    at = np.array([rng.standard_normal(problem.start.size) for rng in rngs])
    slopes, room = np.empty(problem.start.size), place.room(problem.layout)

    def density(whitened: np.ndarray) -> float:
        return float(hmc.evaluate(problem.density.function, problem.density.data, room, whitened, slopes))

    middle = density(np.zeros_like(slopes))
    for k in range(settings.chains):
        for _ in range(HALVINGS):
            if density(at[k]) > middle - at[k] @ at[k]:  # of a standard normal it is half as much lower
                break
            at[k] *= 0.5
    return _Chains(problem, place, at, rngs, np.full(settings.chains, FIRST_STEP), advance)


def _warm_up(chains: _Chains, settings: SamplerSettings) -> None:
    """Adapt map and steps; the chains share the median of their steps."""
    rng = np.random.default_rng([settings.random_seed, 1])
    target = settings.target_accept or ACCEPT
    _remap(chains, _guesses(chains, rng), rng)
    for share in WARM_UP:
        draws, _ = chains.go(max(round(share * settings.tune), 10), target)
        _remap(chains, draws, rng)
    told, chains.advance = chains.advance, lambda made, what: told(0, what)  # nobody was told that there is so much
    for _ in range(MOST_AGAIN):
        group = draws[:, len(draws[0]) // 3 :, chains.problem.layout.group]
        if not group.size or not convergence(group)[0].max() > AGREED:
            break
        draws, _ = chains.go(max(settings.tune, 10), target)
        _remap(chains, draws, rng)
    chains.advance = told
    chains.go(max(round(STEPS * settings.tune), 10), target)
    chains.steps[:] = np.median(chains.steps)


def _guesses(chains: _Chains, rng: np.random.Generator) -> np.ndarray:
    """Draws of what the map holds the posterior to be (chain, draw, coordinate); the last are where chains are."""
    at = rng.standard_normal((chains.at.shape[0], GUESSES, chains.at.shape[1]))
    at[:, -1] = chains.at
    found, room = np.empty_like(at), chains.place.room(chains.problem.layout)
    for place in np.ndindex(at.shape[:2]):
        hmc.unwhiten(room, at[place], found[place])
    return found


def _remap(chains: _Chains, draws: np.ndarray, rng: np.random.Generator) -> None:
    later = draws[:, len(draws[0]) // 3 :]
    chains.move(recentred(chains.problem.density, chains.problem.layout, chains.place, later, rng), draws)


def rounds(
    problem: Whitenable,
    settings: SamplerSettings,
    enough: Iterable[int],
    *,
    kept: KeptRounds | None = None,
    advance: Callable[[int, str], object] = lambda count, what: None,
) -> Iterator[xr.DataTree]:
    """Sample, and yield all draws so far whenever each chain has made as many as the next of ``enough``."""
    began, writing = time.monotonic(), []
    trace = _Trace(problem.compiled)
    state = kept.find(0) if kept else None
    if state is None:
        chains = _begin(problem, settings, advance)
        _warm_up(chains, settings)
        writing.append((0, {**_map(chains), **_state(chains)}))
    else:
        chains = _restored(problem, settings, state, advance)
        advance(settings.chains * settings.tune, ADAPTING)
    number = 0
    for most in enough:
        while trace.draws < most:
            number, count = number + 1, min(ROUND, most - trace.draws)
            state = kept.find(number) if kept else None
            if state is not None and state["draws"].shape[1] == count:
                chains = _restored(problem, settings, {**_map(chains), **state}, advance)
                advance(settings.chains * count, SAMPLING)
                draws, stats = state["draws"], state["stats"]
            else:
                draws, stats = chains.go(count, 0.0)
                writing.append((number, _state(chains) | {"draws": draws, "stats": stats}))
            trace.add(draws, stats)
            if not kept:
                writing.clear()
            elif time.monotonic() - began > LONG_S:
                while writing:
                    kept.keep(*writing.pop(0))
        yield trace.tree()


def _map(chains: _Chains) -> dict[str, np.ndarray]:
    return {f.name: getattr(chains.place, f.name) for f in dataclasses.fields(Place)}


def _state(chains: _Chains) -> dict[str, np.ndarray]:
    """Everything that going on hangs on, but the map."""
    numbers = [rng.bit_generator.state["state"] for rng in chains.rngs]
    words = [[number[key] >> 64, number[key] & (2**64 - 1)] for number in numbers for key in ("state", "inc")]
    return {"at": chains.at.copy(), "steps": chains.steps.copy(), "rngs": np.array(words, dtype=np.uint64)}


def _restored(
    problem: Whitenable, settings: SamplerSettings, state: dict[str, np.ndarray], advance: Callable[[int, str], object]
) -> _Chains:
    rngs = []
    for k in range(settings.chains):
        high = [(int(word[0]) << 64) + int(word[1]) for word in state["rngs"][2 * k : 2 * k + 2]]
        generator = np.random.PCG64(0)
        generator.state = {**generator.state, "state": {"state": high[0], "inc": high[1]}}
        rngs.append(np.random.Generator(generator))
    place = Place(**{f.name: state[f.name] for f in dataclasses.fields(Place)})
    return _Chains(problem, place, state["at"].copy(), rngs, state["steps"].copy(), advance)


class _Trace:
    """The variables of all draws so far, each by itself: memory then holds them once."""

    def __init__(self, compiled: CompiledModel):
        self.compiled, self.draws = compiled, 0
        made = compiled.layout
        self.spans = {name: place for name, place in zip(made.names, made.places, strict=True) if name[-2:] != "__"}
        self.rounds: dict[str, list[np.ndarray]] = {name: [] for name in (*self.spans, "sample_stats")}

    def add(self, draws: np.ndarray, stats: np.ndarray) -> None:
        """Compute the variables at the places of one more round."""
        data = self.compiled.pointers()
        out = np.empty((*draws.shape[:2], self.compiled.layout.outputs))
        for chain, computed in zip(draws, out, strict=True):
            if hmc.expand(self.compiled.variables, data, np.ascontiguousarray(chain), computed) != 0:
                raise RuntimeError("the variables of a draw cannot be computed")
        for name, span in self.spans.items():
            self.rounds[name].append(out[:, :, slice(*span)].copy())
        self.rounds["sample_stats"].append(stats)
        self.draws += draws.shape[1]

    def _so_far(self, name: str) -> np.ndarray:
        self.rounds[name] = [np.concatenate(self.rounds[name], axis=1)]
        return self.rounds[name][0]

    def tree(self) -> xr.DataTree:
        """All of them."""
        noted = self._so_far("sample_stats")
        stats: dict[str, np.ndarray] = {
            name: noted[:, :, place].astype(kind) for place, (name, kind) in enumerate(hmc.STATISTICS.items())
        }
        return self.compiled.tree({name: self._so_far(name) for name in self.spans}, stats)
