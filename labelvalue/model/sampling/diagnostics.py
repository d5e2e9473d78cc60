"""Whether a fit may be trusted: one function, used by the API, the command line and the report."""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.numerals import TAILS
from labelvalue.reading import parse_json

Verdict = Literal["ok", "flagged", "refused"]


@dataclasses.dataclass(frozen=True)
class SamplerSettings:
    """What one attempt at sampling uses; ``draws`` a chain before it is judged first, ``tune`` before these."""

    draws: int = 1000
    tune: int = 300
    chains: int = 4
    target_accept: float | None = None  # by the sampler and the model
    random_seed: int = 0


@dataclasses.dataclass(frozen=True)
class Gate:
    """Thresholds of one verdict; ``divergences`` and ``depth`` (draws at the tree's limit) are shares."""

    rhat: float
    ess: float
    divergences: float
    bfmi: float
    depth: float


FALSE_ALARM = 0.05
"""Share of sound fits that a rule may hold back: the gate's for R-hat, and that for slices that do not fit."""
OK = Gate(rhat=1.01, ess=400, divergences=0.001, bfmi=0.3, depth=0.01)
FLAGGED = Gate(rhat=1.05, ess=200, divergences=0.005, bfmi=0.2, depth=0.05)


@dataclasses.dataclass(frozen=True)
class Diagnostics:
    """Verdict on a fit, with reasons, the figures behind it and flags of single slices.

    It speaks of convergence, of whether the model fits, and of a backtest, where one is attached.

    Parameters
    ----------
    verdict : {"ok", "flagged", "refused"}
        ``ok``: decisions may be published. ``flagged``: results under a banner. ``refused``: diagnostics only.
    reasons : tuple of str
        Why it is not ``ok``; empty where it is.
    figures : mapping of str to float
        ``rhat`` (farthest above its allowance, ``rhat_allowed``, of all variables), ``ess_bulk``, ``ess_tail`` (worst
        over all variables), ``divergences`` and ``depth`` (shares of
        draws), ``bfmi`` (worst chain), ``draws`` (all chains).
    attempts : tuple of mapping
        What was tried, in order: settings and verdict of each; the last is the fit that was kept.
    flags : mapping of str to tuple of str
        Data flags by slice.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fake_fit(seed=1).diagnostics.verdict
    'ok'
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    figures: Mapping[str, float]
    attempts: tuple[Mapping[str, Any], ...] = ()
    flags: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}", *(f"  because {reason}" for reason in self.reasons)]
        lines += [f"  {said}"] if (said := ", ".join(_said(self.figures))) else []
        lines += [f"  {name}: {'; '.join(flags)}" for name, flags in self.flags.items() if flags]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{html.escape(str(self))}</pre>"


def flagged(diagnostics: Diagnostics, reason: str) -> Diagnostics:
    """Add a reason that keeps a fit from being published, unless it is there already."""
    if reason in diagnostics.reasons:
        return diagnostics
    verdict: Verdict = "flagged" if diagnostics.verdict == "ok" else diagnostics.verdict
    return dataclasses.replace(diagnostics, verdict=verdict, reasons=(*diagnostics.reasons, reason))


def without(diagnostics: Diagnostics, reason: str) -> Diagnostics:
    """Take back a reason that :func:`flagged` added."""
    if reason not in diagnostics.reasons:
        return diagnostics
    left = tuple(one for one in diagnostics.reasons if one != reason)
    verdict = diagnostics.verdict if left or diagnostics.verdict == "refused" else "ok"
    return dataclasses.replace(diagnostics, verdict=verdict, reasons=left)


def diagnostics_of(text: str) -> Diagnostics:
    """Read diagnostics from JSON of their fields."""
    content = parse_json(text)
    flags = {name: tuple(values) for name, values in content.get("flags", {}).items()}
    reasons, attempts = tuple(content["reasons"]), tuple(content.get("attempts", ()))
    return Diagnostics(content["verdict"], reasons, content["figures"], attempts, flags)


_WORDS: Mapping[str, str] = {
    "draws": "{:,.0f} draws",
    "chains": "{:.0f} chains",
    "rhat": "R-hat {:.3f}",
    "ess_bulk": "effective sample size {:,.0f}",
    "ess_tail": "{:,.0f} in the tails",
    "bfmi": "E-BFMI {:.2f}",
}  # what is told of figures in any case, in this order


def _said(figures: Mapping[str, float]) -> Iterator[str]:
    """Figures in words; what is wrong with draws stands among the reasons, and is told here only where there is any."""
    yield from (text.format(figures[name]) for name, text in _WORDS.items() if name in figures)
    if "divergences" in figures:
        share = figures["divergences"]
        yield f"{100 * share:.2f} % of draws diverged" if share else "no draw diverged"
    if figures.get("depth"):
        yield f"{100 * figures['depth']:.1f} % of draws hit the tree depth limit"


def figures_of(tree: xr.DataTree) -> dict[str, float]:
    """Compute the figures that the gate looks at."""
    posterior = tree["posterior"].to_dataset()
    stats = tree["sample_stats"].to_dataset()
    finite = all(bool(np.isfinite(v).all()) for v in posterior.data_vars.values())
    shown = [n for n in posterior.data_vars if not str(n).endswith(names.INNER)]
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    worst: dict[str, float] = {"rhat": np.inf, "rhat_allowed": OK.rhat, "ess_bulk": 0.0, "ess_tail": 0.0}
    every = (posterior[n].transpose(*names.SAMPLE, ...).values.reshape(*sizes, -1) for n in shown)
    each = [_moving(one) for one in every] if finite and sizes[1] >= 4 else []
    if found := [convergence(one) for one in each if one.size]:
        rhat, ess, tail = (np.concatenate(parts) for parts in zip(*found, strict=True))
        allowed = rhat_allowed(ess, 2 * posterior.sizes["chain"])
        rhat = np.where(np.isnan(rhat), np.inf, rhat)  # of one chain there is none
        farthest = int(np.argmax((rhat - 1.0) / (allowed - 1.0)))
        worst["rhat"], worst["rhat_allowed"] = float(rhat[farthest]), float(allowed[farthest])
        worst["ess_bulk"] = float(np.nanmin(ess))
        worst["ess_tail"] = float(np.nanmin(tail))
    energy = stats["energy"].values
    spread = energy.var(axis=1)
    bfmi = np.divide(
        np.square(np.diff(energy, axis=1)).mean(axis=1), spread, out=np.zeros_like(spread), where=spread > 0
    )
    depth = stats["maxdepth_reached"].mean() if "maxdepth_reached" in stats else 0.0
    return {
        **worst,
        "divergences": float(stats["diverging"].mean()),
        "bfmi": float(bfmi.min()),
        "depth": float(depth),
        "chains": float(posterior.sizes["chain"]),
        "draws": float(posterior.sizes["draw"] * posterior.sizes["chain"]),
        "finite": float(finite),
        "stuck": float((spread == 0).any()),
    }


def _moving(draws: np.ndarray) -> np.ndarray:
    """The scalars that are not the same in every draw, shape (chain, draw, scalar)."""
    moves = (draws != draws[0, 0]).any((0, 1))
    return draws if moves.all() else draws[..., moves]


def rhat_allowed(ess: np.ndarray, halves: int) -> np.ndarray:
    """How large R-hat may be for the worst of many scalars: what it exceeds in one fit of twenty that has converged.

    R-hat² is about 1 + F · halves / ESS, with (halves - 1) · F chi-squared.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and localization: an improved
    R-hat", Bayesian Analysis 16; Šidák (1967) for the number of scalars.
    """
    from scipy import special  # only a fit needs it

    each = -np.expm1(np.log1p(-FALSE_ALARM) / (2 * ess.size))
    by_chance = special.chdtri(halves - 1, each) / (halves - 1)
    return np.maximum(OK.rhat, np.sqrt(1.0 + by_chance * halves / np.maximum(ess, 1.0)))


def misses(figures: Mapping[str, float], gate: Gate) -> tuple[str, ...]:
    """List where the figures miss a gate."""
    found = []
    allowed = max(gate.rhat, figures.get("rhat_allowed", gate.rhat)) if gate is OK else gate.rhat
    if not figures["rhat"] <= allowed:
        found.append(f"R-hat {figures['rhat']:.3f} is above {allowed:.4g}")
    for kind in ("bulk", "tail"):
        ess = figures[f"ess_{kind}"]
        if not ess >= gate.ess:
            found.append(f"{kind} effective sample size {ess:.0f} is below {gate.ess:.0f}")
    if figures["divergences"] > gate.divergences:
        found.append(f"{100 * figures['divergences']:.2f} % of draws diverged, {100 * gate.divergences:.1f} % allowed")
    if figures["bfmi"] < gate.bfmi:
        found.append(f"E-BFMI {figures['bfmi']:.2f} is below {gate.bfmi}")
    if figures["depth"] >= gate.depth:
        found.append(f"{100 * figures['depth']:.1f} % of draws hit the tree depth limit")
    return tuple(found)


def judge(figures: Mapping[str, float]) -> tuple[Verdict, tuple[str, ...]]:
    """Give the verdict on a set of figures."""
    broken = []
    if not figures["finite"]:
        broken.append("a draw is not finite")
    if figures["stuck"]:
        broken.append("a chain did not move")
    if figures["chains"] < 2:
        broken.append("fewer than two chains finished")
    reasons = (*broken, *misses(figures, OK))
    if not reasons:
        return "ok", ()
    return ("refused" if broken or misses(figures, FLAGGED) else "flagged"), reasons


TOGETHER = 64  # scalars looked at in one go


def convergence(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute rank-normalised split R-hat, bulk and tail effective sample size (Vehtari and others 2021; Geyer 1992).

    Shapes: ``draws`` (chain, draw, scalar); gives ``rhat, ess_bulk, ess_tail`` (scalar).
    """
    spans = [slice(first, first + TOGETHER) for first in range(0, draws.shape[2], TOGETHER)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(lambda span: _of_some(np.moveaxis(draws[:, :, span], 2, 0)), spans))
    rhat, bulk, tail = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rhat if draws.shape[0] > 1 else np.full_like(rhat, np.nan), bulk, tail


def _of_some(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a few scalars, shape (scalar, chain, draw)."""
    halves = _split(draws)
    scores = _normal_scores(halves)
    folded = np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
    rhat = np.maximum(_rhat(scores), _rhat(_normal_scores(folded)))
    ends = np.quantile(draws, TAILS, axis=(1, 2))[..., None, None]
    tail = np.minimum(*(_ess(_split((draws <= end).astype(float))) for end in ends))
    return rhat, _ess(scores), tail


def _split(draws: np.ndarray) -> np.ndarray:
    """Half-chains, shape (scalar, half, draw); the draw in the middle of an odd number is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _normal_scores(halves: np.ndarray) -> np.ndarray:
    """Ranks among all draws of a scalar, as quantiles of a standard normal."""
    from scipy import special

    ranks = pd.DataFrame(halves.reshape(len(halves), -1).T).rank().to_numpy().T
    return special.ndtri((ranks - 0.375) / (ranks.shape[1] + 0.25)).reshape(halves.shape)


def _rhat(halves: np.ndarray) -> np.ndarray:
    count = halves.shape[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = halves.mean(2).var(1, ddof=1) / halves.var(2, ddof=1).mean(1)
    return np.sqrt(ratio + (count - 1) / count)


def _ess(halves: np.ndarray) -> np.ndarray:
    """Effective sample size by Geyer's initial monotone sequence, shape (scalar)."""
    from scipy import fft

    count = halves.shape[2]
    centred = halves - halves.mean(2, keepdims=True)
    length = fft.next_fast_len(2 * count, real=True)
    power = np.square(np.abs(fft.rfft(centred, length, axis=2))).mean(1)
    together = fft.irfft(power, length, axis=1)[:, :count] / count  # autocovariance, mean over half-chains
    within = together[:, :1] * count / (count - 1.0)
    total = together[:, :1] + halves.mean(2).var(1, ddof=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = 1.0 - (within - together) / total
    correlation[:, 0] = 1.0
    most = max((count - 3) // 2, 0)  # pairs of lags that are looked at
    pairs = correlation[:, 0 : 2 * most : 2] + correlation[:, 1 : 2 * most : 2]
    ahead = np.logical_and.accumulate(pairs > 0.0, axis=1)
    after = np.take_along_axis(correlation, 2 * ahead.sum(1, keepdims=True), axis=1)[:, 0]
    sums = np.where(ahead, np.minimum.accumulate(pairs, axis=1), 0.0).sum(1)
    size = halves.shape[1] * count
    found = size / np.maximum(-1.0 + 2.0 * sums + np.maximum(after, 0.0), 1.0 / np.log10(size))
    return np.where(np.ptp(halves, axis=(1, 2)) < np.finfo(float).resolution, size, found)
