"""Sampling until the convergence gate is passed: short chains go on, divergent ones begin anew with smaller steps."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from packaging.requirements import Requirement

from labelvalue import names
from labelvalue.model.sampling.chains import ChainFolder
from labelvalue.model.sampling.diagnostics import OK, Diagnostics, SamplerSettings, Verdict, figures_of, judge
from labelvalue.observe.simulate.execution import Tracker
from labelvalue.problems import InputError, Problem

if TYPE_CHECKING:
    import pymc as pm

    from labelvalue.model.sampling.compiled import CompiledModel
    from labelvalue.model.sampling.whitened import Whitenable

LONGER = ((300, 32), (1000, 16), (5000, 8), (np.inf, 4))
"""How many times the draws asked for whitened chains go on at most, up to so many coordinates: where these are few, far
cheaper than NUTS, which goes on for as long as the last says."""
SPARE, LOOKS = 1.1, 8
"""By which factor chains go on farther than their effective sample size foretells; how often they are judged at most
while they make as many draws as were asked for."""
KEPT = 4  # how many times the draws asked for are kept at most, evenly spaced; all are judged
SMALLER_STEPS = 0.98  # acceptance aimed at after an attempt with divergences
FEW_COORDINATES = 1000  # up to how many NUTS in the model's own is tried last: it would take hours where there are more
PACKAGE = "labelvalue"
WHITENED, PLAIN = "whitened by curve", "the model's own"


@functools.cache
def check_libraries() -> None:
    """Refuse to sample with a library that was changed, since its installation, to a version not asked for."""
    problems = []
    for asked in map(Requirement, requires(PACKAGE) or []):
        with contextlib.suppress(PackageNotFoundError):  # whoever needs it says so
            installed = version(asked.name)
            if asked.marker is None and not asked.specifier.contains(installed, prereleases=True):
                why = f"version {installed} is installed, and {PACKAGE} {version(PACKAGE)} needs {asked.specifier}"
                problems.append(Problem(value=asked.name, why=why, fix=f"install '{asked.name}{asked.specifier}'"))
    if problems:
        raise InputError(problems)


def own_caches(base: Path) -> None:
    """Let nobody else read or write what we compiled and will load again."""
    if os.name == "posix" and base.is_dir() and base.stat().st_uid == os.getuid():
        base.chmod(0o700)


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A model that is compiled, and its curves, or why it cannot be whitened by them."""

    model: CompiledModel
    whitenable: Whitenable | str

    def with_data(self, **data: np.ndarray) -> Compiled:
        """Return the same model of other data of the same shapes."""
        return _compiled(self.model.with_data(**data))


def compile_model(model: pm.Model) -> Compiled:
    """Compile a PyMC model, kept on disk by its shapes; no ``fastmath``, so that a seed draws alike from there."""
    check_libraries()
    import pytensor

    from labelvalue.model.sampling.compiled import compile_pymc_model

    own_caches(Path(str(pytensor.config.base_compiledir)))
    with pytensor.config.change_flags(numba__fastmath=False):
        return _compiled(compile_pymc_model(model))


def _compiled(made: CompiledModel) -> Compiled:
    from labelvalue.model.sampling.whitened import whitenable  # numba takes a second to import, which only a fit needs

    return Compiled(made, whitenable(made))


NO_DRAWS = {"rhat": np.inf, "rhat_allowed": OK.rhat, "stuck": 1.0} | dict.fromkeys(
    ("ess_bulk", "ess_tail", "divergences", "bfmi", "depth", "chains", "draws", "finite"), 0.0
)  # figures of a sampler that stopped before it returned a draw


def no_draws(compiled: CompiledModel) -> xr.DataTree:
    """Make what stands for the draws of a sampler that stopped: one of NaN, so that the refused fit is complete."""
    shapes = zip(compiled.layout.names, compiled.layout.shapes, strict=True)
    variables = {name: np.full((1, 1, *shape), np.nan) for name, shape in shapes if not name.endswith("__")}
    return compiled.tree(variables, {"diverging": np.zeros((1, 1), bool), "energy": np.full((1, 1), np.nan)})


def wants_smaller_steps(figures: Mapping[str, float]) -> bool:
    """Whether more draws would not help: divergences, low E-BFMI, or a sampler that stopped."""
    return figures["divergences"] > OK.divergences or figures["bfmi"] < OK.bfmi or figures["chains"] == 0


def sample(
    compiled: Compiled, settings: SamplerSettings, *, progress: bool = False, checkpoint: ChainFolder | None = None
) -> tuple[xr.DataTree, Diagnostics]:
    """Sample until the convergence gate is passed or the draws are spent; NUTS without a map comes last."""
    attempts: list[dict[str, Any]] = []
    careful = dataclasses.replace(settings, target_accept=SMALLER_STEPS, tune=2 * settings.tune)
    whitened = not isinstance(compiled.whitenable, str)
    plainly = dataclasses.replace(compiled, whitenable="chains whitened by curve did not pass")
    otherwise = whitened and compiled.model.layout.inputs <= FEW_COORDINATES
    remedies: tuple[tuple[str, Compiled, SamplerSettings], ...] = (
        ("first attempt", compiled, settings),
        (f"{PLAIN} coordinates", plainly, careful) if otherwise else ("smaller steps", compiled, careful),
    )
    for remedy, way, asked in remedies:
        try:
            tree, figures = _attempt(way, asked, progress, checkpoint)
        except (RuntimeError, np.linalg.LinAlgError) as error:  # a chain that died or never moved, or has no start
            tree, figures = no_draws(compiled.model), dict(NO_DRAWS)
            cause = str(error).partition("\n")[0]
            verdict: Verdict = "refused"
            reasons: tuple[str, ...] = (f"the sampler stopped: {cause}",)
        else:
            verdict, reasons = judge(figures)
        why = {"because": way.whitenable} if isinstance(way.whitenable, str) else {}
        attempts.append(
            {"remedy": remedy, **dataclasses.asdict(asked), "made": int(figures["draws"] / max(figures["chains"], 1.0)),
             "coordinates": PLAIN if why else WHITENED, **why, "verdict": verdict, "reasons": list(reasons)}
        )  # fmt: skip
        if verdict == "ok" or not (otherwise or wants_smaller_steps(figures)):
            break
    return tree, Diagnostics(verdict, reasons, figures, tuple(attempts))


def sample_once(compiled: Compiled, settings: SamplerSettings) -> xr.DataTree:
    """Make the draws that are asked for, and judge nothing."""
    return next(_rounds(compiled, settings, iter([settings.draws]), lambda made, what: None, None))


def draws_wanted(made: int, figures: Mapping[str, float], settings: SamplerSettings) -> int:
    """After how many draws a chain is judged again: as many as should pass, at most twice as many as there are."""
    short = OK.ess / max(min(figures["ess_bulk"], figures["ess_tail"]), 1.0)
    times = 2.0 if figures["rhat"] > figures["rhat_allowed"] else SPARE * short
    look = -(-settings.draws // LOOKS)
    return min(max(made + look, look * math.ceil(made * times / look)), 2 * made)


def _attempt(
    compiled: Compiled, settings: SamplerSettings, progress: bool, checkpoint: ChainFolder | None
) -> tuple[xr.DataTree, dict[str, float]]:
    """Let chains go on until they pass, want smaller steps, or have made the most draws."""
    coordinates = np.inf if isinstance(compiled.whitenable, str) else compiled.model.layout.inputs
    longest = next(times for most, times in LONGER if coordinates <= most)
    draws = settings.chains * (settings.tune + settings.draws)
    figures: dict[str, float] = {}
    with Tracker(draws, draws, "sampling", show=progress) as tracker:

        def advance(made: int, what: str) -> None:
            tracker.advance(made, pieces=made, what=what)

        def enough() -> Iterator[int]:
            made = settings.draws
            yield made
            while made < longest * settings.draws:
                more = min(draws_wanted(made, figures, settings), longest * settings.draws) - made
                tracker.grow(settings.chains * more, settings.chains * more)
                made += more
                yield made

        for tree in _rounds(compiled, settings, enough(), advance, checkpoint):
            figures |= figures_of(tree)
            if judge(figures)[0] == "ok" or wants_smaller_steps(figures):
                break
    return _thinned(tree, KEPT * settings.draws), figures


def _thinned(tree: xr.DataTree, most: int) -> xr.DataTree:
    """Evenly spaced draws, where there are more than are kept; they are judged before."""
    every = -(-tree["posterior"].sizes[names.DRAW] // most)
    if every == 1:
        return tree
    kept = {
        name: group.to_dataset().isel({names.DRAW: slice(every - 1, None, every)})
        for name, group in tree.children.items()
    }
    return xr.DataTree.from_dict({
        name: group.assign_coords({names.DRAW: np.arange(group.sizes[names.DRAW])}) for name, group in kept.items()
    })  # fmt: skip


def _rounds(
    compiled: Compiled,
    settings: SamplerSettings,
    enough: Iterator[int],
    advance: Callable[[int, str], object],
    checkpoint: ChainFolder | None,
) -> Iterator[xr.DataTree]:
    if isinstance(compiled.whitenable, str):
        return nutpie_rounds(compiled.model, settings, enough, advance=advance)
    from labelvalue.model.sampling import whitened

    kept = None
    if checkpoint is not None:
        kept = checkpoint.rounds(whitened.signature(compiled.whitenable), dataclasses.asdict(settings))
    return whitened.rounds(compiled.whitenable, settings, enough, kept=kept, advance=advance)


LOW_RANK, DIAGONAL = "low_rank", "diag"
"""Mass matrices: diagonal, or plus the few directions in which parameters trade off."""
MANY_PARAMETERS = 200  # parameters above which a low-rank mass matrix costs more than it saves
ACCEPT = {LOW_RANK: 0.95, DIAGONAL: 0.94}
"""Acceptance aimed at, by mass matrix: at .9 few slices bring divergences, and so do many in some sets of runs
(measured: benchmarks/README.md)."""
PATIENCE = 2
"""Draws of adaptation for each that is asked for: nutpie starts farther from the mode, and learns all scales itself."""
LOOK_S = 0.25  # seconds between two looks at how far the chains are
SETTLE_SECONDS = 1.0
"""After a failure nutpie's other threads live on for about half a second, and nothing joins them; an interpreter that
ends meanwhile crashes (signal 11 where exit code 2 is meant)."""


def nutpie_rounds(
    compiled: CompiledModel,
    settings: SamplerSettings,
    enough: Iterable[int],
    *,
    advance: Callable[[int, str], object] = lambda count, what: None,
) -> Iterator[xr.DataTree]:
    """Sample in a model's own coordinates, and yield all draws so far whenever chains have made ``enough``.

    A longer chain begins with the same draws.
    """
    import nutpie

    model = compiled.for_nutpie()
    adaptation = DIAGONAL if compiled.layout.inputs > MANY_PARAMETERS else LOW_RANK
    asked = {
        "tune": PATIENCE * settings.tune, "chains": settings.chains, "seed": settings.random_seed,
        "adaptation": adaptation, "target_accept": settings.target_accept or ACCEPT[adaptation],
        "save_warmup": False, "progress_bar": False,
    }  # fmt: skip
    told = 0
    for draws in enough:

        def tell(chains: Sequence[Any]) -> None:
            nonlocal told
            made = sum(chain.finished_draws for chain in chains)
            advance(max(made - told, 0), "sampling")  # what is made again is no news
            told = max(made, told)

        sampler = nutpie.sample(
            model, draws=draws, **asked, progress_callback=tell, progress_rate=int(1000 * LOOK_S), blocking=False
        )
        try:
            tree = sampler.wait()
        except BaseException as error:  # nutpie itself takes Ctrl-C for a wish to have the draws so far
            sampler.cancel()
            if isinstance(error, RuntimeError):
                time.sleep(SETTLE_SECONDS)
            raise
        posterior = tree["posterior"].to_dataset()
        again = [name for name in posterior.data_vars if str(name).endswith("__")]
        tree["posterior"] = xr.DataTree(posterior.drop_vars(again))  # but for what stands there unconstrained as well
        yield tree
