"""Every method of the forecast benchmark, behind one interface: ``forecast(problem, seed) -> samples``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from benchmarks import learned, peers
from benchmarks.problems import Problem

if TYPE_CHECKING:
    from labelvalue import Fit

Verdicts = tuple[str, ...]
Forecast = Callable[[Problem, int], tuple[np.ndarray, Verdicts]]

MODEL_DRAWS = 1000  # posterior draws kept of a model's forecast, thinned evenly
UNPOOLED, POOLED = "unpooled", "pooled"
"""In place of a model's name: the default model, one curve at a time; and one curve for all runs of a problem."""


@dataclass(frozen=True)
class Method:
    """A named forecaster.

    Attributes
    ----------
    name : str
        As given to ``--methods``.
    title : str
        As printed.
    forecast : callable
        ``forecast(problem, seed)`` returns samples of the mean error, shape (curve, distance, sample), in
        [0, 1]; curves that the problem does not judge may be NaN. And the verdict of each fit behind them, with
        reasons; none where the method judges no fits.
    version : str
        Cached forecasts of another version are not used.
    peer : bool
        Whether models are measured against it.
    """

    name: str
    title: str
    forecast: Forecast
    version: str
    peer: bool = True


def _peer(name: str, title: str, samples: Callable[[Problem, int], np.ndarray], version: str = "") -> Method:
    def forecast(problem: Problem, seed: int) -> tuple[np.ndarray, Verdicts]:
        return samples(problem, seed), ()

    return Method(name, title, forecast, version="-".join(filter(None, (f"v{peers.VERSION}", version))))


_power_law = peers.power_law
PEERS = (
    _peer("last_value", "last value", peers.last_value),
    _peer("power_law", "least squares, no floor", _power_law),
    _peer("floor", "least squares, floor", partial(_power_law, floor=True)),
    _peer("floor_residual", "floor + residual", partial(_power_law, floor=True, residual=True)),
    _peer(
        "floor_residual_4",
        "floor + residual, last 4 doublings",
        partial(_power_law, floor=True, residual=True, doublings=4),
    ),
    _peer(
        "floor_residual_2",
        "floor + residual, last 2 doublings",
        partial(_power_law, floor=True, residual=True, doublings=2),
    ),
    _peer(
        "floor_residual_2_recalibrated",
        "floor + residual, last 2 doublings, recalibrated",
        learned.recalibrated,
        learned.factors_version(),
    ),
    _peer("learned", "forest on the curve's shape", learned.learned, learned.version()),
    _peer("simple_scaling_laws", "simple-scaling-laws 0.2.0", peers.simple_scaling_laws),
)


def labelvalue_forecast(problem: Problem, seed: int, *, model: str = "power_law") -> tuple[np.ndarray, Verdicts]:
    """Forecast with labelvalue's public API: read the runs, fit, predict the error at the targets.

    Where the runs hold labels of other slices, the targets' own go into the forecast.

    Returns: (curve, distance, sample) posterior draws of the mean error.
    """
    import labelvalue as lv

    fit = lv.fit(lv.read_runs(problem.runs), model=model, random_seed=seed, progress=False)
    verdict = ": ".join(filter(None, (fit.diagnostics.verdict, "; ".join(fit.diagnostics.reasons))))
    return forecast_of(fit, problem), (verdict,)


def forecast_of(fit: Fit, problem: Problem) -> np.ndarray:
    """Forecast a problem from a fit of it.

    Returns: (curve, distance, sample) posterior draws of the mean error.
    """
    import labelvalue as lv

    seen = lv.on_items(fit)  # the truth was measured on the same items

    def draws_at(labels: np.ndarray, other: np.ndarray | None) -> xr.DataArray:
        beside = {} if other is None else {"other_labels": [int(n) for n in other]}
        draws = lv.predict_error(seen, labels=[int(n) for n in labels], **beside).stack(sample=("chain", "draw"))
        count = draws.sizes["sample"]
        return draws.isel(sample=np.linspace(0, count - 1, min(MODEL_DRAWS, count)).astype(int))

    shared = draws_at(np.unique(problem.targets), None) if problem.target_other is None else None

    def curve(index: int) -> np.ndarray:
        targets = problem.targets[index]
        draws = draws_at(targets, problem.target_other[index]) if shared is None else shared
        where = dict(zip(("slice", "learner", "labels"), (*problem.curves[index], targets), strict=True))
        here = draws.sel({dim: value for dim, value in where.items() if dim in draws.dims})
        return here.transpose("labels", "sample").to_numpy()

    return np.clip(np.stack([curve(index) for index in range(len(problem.curves))]), 0.0, 1.0)


def unpooled_forecast(problem: Problem, seed: int) -> tuple[np.ndarray, Verdicts]:
    """Forecast with labelvalue, each curve fitted alone: what the hierarchy adds is the difference.

    Returns: (curve, distance, sample) posterior draws of the mean error; NaN for curves that are not judged, to spare
    their fits.
    """
    answers = [labelvalue_forecast(problem.only(index), seed) for index in problem.judged]
    alone = np.stack([samples[0] for samples, _ in answers])
    samples = np.full((len(problem.curves), *alone.shape[1:]), np.nan)
    samples[problem.judged] = alone
    return samples, tuple(verdict for _, verdicts in answers for verdict in verdicts)


def pooled_forecast(problem: Problem, seed: int) -> tuple[np.ndarray, Verdicts]:
    """Forecast with labelvalue, all curves of the problem taken for one: telling them apart adds the difference.

    Returns: (curve, distance, sample) posterior draws of the mean error of the one curve at each curve's own targets;
    verdict of the one fit.
    """
    runs = problem.runs.drop(columns=["other_labels"], errors="ignore")
    sets = runs["slice"].astype(str) + " " + runs["learner"].astype(str) + " " + runs["evaluation_set"].astype(str)
    one = runs.assign(slice="all", learner="all", evaluation_set=sets, replicate=np.arange(len(runs)))
    targets = np.unique(problem.targets)
    whole = replace(
        problem, runs=one, curves=(("all", "all"),), targets=targets[None], target_other=None, nominal=None, sparse=None
    )
    samples, verdicts = labelvalue_forecast(whole, seed)
    return samples[0][np.searchsorted(targets, problem.targets)], verdicts


@cache
def _labelvalue_version() -> str:
    """Hash of the sources a forecast depends on: no change to the model meets an old cached forecast."""
    root = Path(__file__).resolve().parents[1]
    folders = [root / "labelvalue" / part for part in ("observe", "model", "forecast")] + [root / "models"]
    digest = hashlib.sha256()
    files = (path for folder in folders for path in folder.rglob("*"))
    for path in sorted(path for path in files if path.suffix in {".py", ".toml", ".json"}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


WHOLE: dict[str, tuple[str, Forecast]] = {
    UNPOOLED: ("labelvalue, each curve alone", unpooled_forecast),
    POOLED: ("labelvalue, all curves as one", pooled_forecast),
}  # what is asked for in place of a model's name: title and forecaster


def find_method(name: str) -> Method:
    """The method of a name: a peer's, ``labelvalue``, or ``labelvalue:`` with a model, ``unpooled`` or ``pooled``."""
    for peer in PEERS:
        if peer.name == name:
            return peer
    package, _, model = name.partition(":")
    if package == "labelvalue":
        model = model or "power_law"
        if model in WHOLE:
            title, forecast = WHOLE[model]
            return Method(name, title, forecast, version=_labelvalue_version(), peer=False)
        own = partial(labelvalue_forecast, model=model)
        return Method(name, f"labelvalue, {model}", own, version=_labelvalue_version(), peer=False)
    ours = ["labelvalue", "labelvalue:<model>", *(f"labelvalue:{model}" for model in WHOLE)]
    known = ", ".join([*(peer.name for peer in PEERS), *ours])
    raise ValueError(f"no method {name!r}; there are: {known}")
