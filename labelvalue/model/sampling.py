"""Sampling with nutpie, with the retries that the convergence gate asks for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.chains import ChainFolder
from labelvalue.model.continuing import continue_chains, run_chains
from labelvalue.model.diagnostics import OK, Diagnostics, Verdict, figures_of, judge
from labelvalue.model.libraries import check_libraries, own_caches

if TYPE_CHECKING:
    import pymc as pm

SAMPLER = "nutpie"
LOW_RANK, DIAGONAL = "low_rank", "diag"
"""Mass matrices: diagonal, or plus the few directions in which elasticity, floor and their group means trade off."""
MANY_PARAMETERS = 200
"""Parameters above which a low-rank mass matrix costs more than it saves: at 50 slices three times as much."""
TARGET_ACCEPT = {LOW_RANK: 0.95, DIAGONAL: 0.94}
"""Acceptance aimed at, by mass matrix: at .9 few slices bring divergences, and so do many in some sets of runs
(measured: benchmarks/README.md)."""

MORE_DRAWS = {2: "twice the draws", 3: "three times the draws", 4: "four times the draws"}
"""Remedies for chains that are too short, by how many times as long they become."""
SPARE = 1.5
"""Draws for each that would just do, since the worst figure of hundreds is partly bad luck, partly not."""

SETTLE_SECONDS = 1.0
"""After a failure nutpie's other threads live on for about half a second, and nothing joins them; an interpreter that
ends meanwhile crashes (signal 11 where exit code 2 is meant)."""


@dataclasses.dataclass(frozen=True)
class SamplerSettings:
    """What one attempt at sampling uses.

    Parameters
    ----------
    draws : int
        Draws kept a chain.
    tune : int
        Draws a chain spends on adaptation first.
    chains : int
        Chains; at least two are needed for a verdict.
    target_accept : float, optional
        Acceptance that step-size adaptation aims at, in (0, 1); ``None``: by the mass matrix.
    random_seed : int
        Seed; the same seed gives the same draws on the same machine class and versions.
    adaptation : {"", "low_rank", "diag"}
        Mass matrix; empty: by the number of parameters.

    Examples
    --------
    >>> SamplerSettings().chains
    4
    """

    draws: int = 1000
    tune: int = 600
    chains: int = 4
    target_accept: float | None = None
    random_seed: int = 0
    adaptation: str = ""

    def resolve(self, parameters: int) -> SamplerSettings:
        """Fill in what depends on the model.

        Parameters
        ----------
        parameters : int
            Number of unconstrained parameters that are sampled.

        Returns
        -------
        SamplerSettings
            With a mass matrix and an acceptance.

        Examples
        --------
        >>> SamplerSettings().resolve(60).target_accept, SamplerSettings().resolve(300).target_accept
        (0.95, 0.94)
        """
        adaptation = self.adaptation or (DIAGONAL if parameters > MANY_PARAMETERS else LOW_RANK)
        target_accept = TARGET_ACCEPT[adaptation] if self.target_accept is None else self.target_accept
        return dataclasses.replace(self, adaptation=adaptation, target_accept=target_accept)


def compile_model(model: pm.Model) -> Any:
    """Compile a PyMC model for nutpie; chains start where the model says, and jittered where it says nothing.

    What is compiled depends on the shapes of the data and not on their values, and is kept on disk: the same model of
    other data, here or in another process, finds it there.

    Sums are kept in the order in which they are written: with numba's ``fastmath``, a seed gave other draws in the
    process that compiled the model than in those that found it compiled.

    Parameters
    ----------
    model : pymc.Model
        From a model's ``build``.

    Returns
    -------
    nutpie.CompiledModel
        Can be sampled again with other data of the same shape, through ``with_data``.

    Examples
    --------
    >>> compile_model(model)  # doctest: +SKIP
    """
    check_libraries()
    import pytensor

    from labelvalue.model.callbacks import compile_callbacks

    own_caches(Path(str(pytensor.config.base_compiledir)))
    starts = model.rvs_to_initial_values
    with pytensor.config.change_flags(numba__fastmath=False):
        return compile_callbacks(model, {rv for rv in model.free_RVs if starts[rv] is None})


def sample_once(
    compiled: Any, settings: SamplerSettings, *, progress: bool = False, checkpoint: ChainFolder | None = None
) -> xr.DataTree:
    """Run the sampler once.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        From :func:`compile_model`.
    settings : SamplerSettings
        How.
    progress : bool
        Whether to show nutpie's progress.
    checkpoint : ChainFolder, optional
        Where finished chains are kept, and taken from; the draws are the same.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``.

    Raises
    ------
    RuntimeError
        If no start has a finite density, or a chain dies.

    Examples
    --------
    >>> sample_once(compiled, SamplerSettings())  # doctest: +SKIP
    """
    settings = settings.resolve(compiled.n_dim)
    asked = {
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": settings.chains,
        "seed": settings.random_seed,
        "target_accept": settings.target_accept,
        "adaptation": settings.adaptation,
        "progress_bar": progress,
        "save_warmup": False,
    }
    try:
        if checkpoint is None:
            return run_chains(compiled, asked)
        return continue_chains(compiled, asked, checkpoint)
    except RuntimeError:
        time.sleep(SETTLE_SECONDS)
        raise


NO_DRAWS = {
    "rhat": float("inf"),
    "ess_bulk": 0.0,
    "ess_tail": 0.0,
    "divergences": 0.0,
    "bfmi": 0.0,
    "depth": 0.0,
    "chains": 0.0,
    "draws": 0.0,
    "finite": 0.0,
    "stuck": 1.0,
}
"""Figures of a sampler that stopped before it returned a draw."""


def no_draws(compiled: Any) -> xr.DataTree:
    """Make what stands for the draws of a sampler that stopped: one of NaN, so that the refused fit is complete.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        Knows names, shapes and dims of the variables.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``, one chain and one draw.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> shapes = {"churn": (), "floor_share": (3,), "a": (2,)}
    >>> compiled = SimpleNamespace(shapes=shapes, dims={"floor_share": ("curve",)})
    >>> dict(no_draws(compiled)["posterior"].sizes)
    {'chain': 1, 'draw': 1, 'curve': 3, 'a_dim_0': 2}
    """
    one = names.SAMPLE
    shapes = {name: shape for name, shape in compiled.shapes.items() if not name.endswith("__")}
    dims = {name: tuple(f"{name}_dim_{place}" for place in range(len(shape))) for name, shape in shapes.items()}
    posterior = {
        name: ((*one, *(compiled.dims.get(name) or dims[name])), np.full((1, 1, *shape), np.nan))
        for name, shape in shapes.items()
    }
    stats = {"diverging": (one, np.zeros((1, 1), dtype=bool)), "energy": (one, np.full((1, 1), np.nan))}
    coords = {names.CHAIN: [0], names.DRAW: [0]}
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset(posterior, coords), "sample_stats": xr.Dataset(stats, coords)}
    )


def next_attempt(
    settings: SamplerSettings, figures: Mapping[str, float], tried: frozenset[str]
) -> tuple[str, SamplerSettings] | None:
    """Decide what to try next.

    Divergences, low E-BFMI or a sampler that stopped: smaller steps and twice the tuning. R-hat or effective
    sample size short: two to four times the draws, as many as the figures say will do and half as many again. Each at
    most once.

    Parameters
    ----------
    settings : SamplerSettings
        Those of the last attempt.
    figures : mapping of str to float
        Of the last attempt, from :func:`labelvalue.model.diagnostics.figures_of`.
    tried : frozenset of str
        Remedies used so far.

    Returns
    -------
    tuple of (str, SamplerSettings), or None
        Remedy and settings; ``None`` where nothing is left to try.

    Examples
    --------
    >>> figures = dict(rhat=1.011, ess_bulk=900, ess_tail=900, divergences=0.0, bfmi=1.0, chains=4)
    >>> next_attempt(SamplerSettings(), figures, frozenset())[0]
    'twice the draws'
    """
    stopped = figures["chains"] == 0
    rough = figures["divergences"] > OK.divergences or figures["bfmi"] < OK.bfmi or stopped
    if rough and "smaller steps" not in tried:
        return "smaller steps", dataclasses.replace(settings, target_accept=0.99, tune=2 * settings.tune)
    short = not (figures["rhat"] <= OK.rhat and min(figures["ess_bulk"], figures["ess_tail"]) >= OK.ess)
    if short and not stopped and not tried & {*MORE_DRAWS.values()}:
        times = _times(figures)
        return MORE_DRAWS[times], dataclasses.replace(settings, draws=times * settings.draws)
    return None


def _times(figures: Mapping[str, float]) -> int:
    """How many times the draws will do: effective draws grow with them, and R-hat's excess over 1 falls with them."""
    ess = min(figures["ess_bulk"], figures["ess_tail"])
    wanted = SPARE * np.maximum(OK.ess / max(ess, 1.0), (figures["rhat"] - 1.0) / (OK.rhat - 1.0))
    return int(np.clip(np.ceil(wanted), min(MORE_DRAWS), max(MORE_DRAWS))) if np.isfinite(wanted) else max(MORE_DRAWS)


def sample(
    model: pm.Model, settings: SamplerSettings, *, progress: bool = False, checkpoint: ChainFolder | None = None
) -> tuple[xr.DataTree, Diagnostics]:
    """Sample a model until the convergence gate is passed or nothing is left to try.

    Parameters
    ----------
    model : pymc.Model
        From a model's ``build``.
    settings : SamplerSettings
        Of the first attempt.
    progress : bool
        Whether to show the sampler's progress.
    checkpoint : ChainFolder, optional
        Where finished chains of all attempts are kept.

    Returns
    -------
    tree : xarray.DataTree
        Draws of the last attempt, never of the luckiest; one draw of NaN where the sampler stopped.
    diagnostics : Diagnostics
        Verdict, figures and all attempts.

    Examples
    --------
    >>> sample(model, SamplerSettings())  # doctest: +SKIP
    """
    compiled = compile_model(model)
    settings = settings.resolve(compiled.n_dim)
    attempts: list[dict[str, Any]] = []
    tried: frozenset[str] = frozenset()
    remedy = "first attempt"
    while True:
        try:
            tree = sample_once(compiled, settings, progress=progress, checkpoint=checkpoint)
        except RuntimeError as error:  # a chain that died, or no start with a finite density
            tree, figures = no_draws(compiled), dict(NO_DRAWS)
            cause = str(error).partition("\n")[0]
            verdict: Verdict = "refused"
            reasons: tuple[str, ...] = (f"the sampler stopped: {cause}",)
        else:
            figures = figures_of(tree)
            verdict, reasons = judge(figures)
        attempts.append(
            {"remedy": remedy, **dataclasses.asdict(settings), "verdict": verdict, "reasons": list(reasons)}
        )
        following = None if verdict == "ok" else next_attempt(settings, figures, tried)
        if following is None:
            return tree, Diagnostics(verdict, reasons, figures, tuple(attempts))
        remedy, settings = following
        tried |= {remedy}
