"""ArviZ's plots that need more than draws: predictive check, LOO-PIT, prior against posterior, power-scaling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import arviz_plots as azp
import arviz_stats as azs
import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.fitting.arviz_tree import LOG_ERROR, arviz_tree, sensitivity_tree
from labelvalue.model.fitting.result import Fit
from labelvalue.report.plots import style

KINDS = ("ppc", "loo_pit", "prior", "psense")
ENOUGH = 6  # slices that a plot of power-scaling shows: those that hang on the prior most
SENSITIVE = 0.05  # sensitivity from which ArviZ calls a prior informative
UNEVEN = 0.01  # p-value of uniformity below which the plot of LOO-PIT marks cells


def draw_predictive(fit: Fit, kind: str, var_names: Sequence[str] | None, backend: str) -> Any:
    """Draw one of :data:`KINDS`."""
    if kind == "prior":
        return _prior(fit, var_names, backend)
    if kind == "psense":
        return _psense(fit, var_names or [names.ELASTICITY], backend)
    tree = arviz_tree(fit)
    if kind == "ppc":
        what = {"text": "log error measured, of all cells"}
        return azp.plot_ppc_dist(
            tree, kind="kde", backend=backend, visuals={"title": what}, figure_kwargs=style.paper(2, backend)
        )
    with _told_by_the_reading():
        return azp.plot_loo_pit(tree, backend=backend, figure_kwargs=style.paper(2, backend))


def say_predictive(fit: Fit, kind: str) -> str:
    """Say what one of :data:`KINDS` shows of a fit."""
    if kind == "psense":
        return _say_psense(fit)
    tree = arviz_tree(fit)
    if kind == "prior":
        return _say_prior(tree)
    if kind == "ppc":
        return _say_ppc(tree)
    with _told_by_the_reading():
        pit = azs.loo_pit(tree, pareto_pit=True)[LOG_ERROR]
        p_value = float(pit.azstats.uniformity_test(dim=list(pit.dims))[0])
    judged = "even" if p_value >= UNEVEN else "uneven, intervals do not hold what they say"
    within = float((abs(pit - 0.5) <= 0.45).mean())
    return f"{judged} (p = {p_value:.2g}); {100 * within:.0f} % of {pit.size} cells lie in their 90 % interval"


def _say_ppc(tree: xr.DataTree) -> str:
    drawn = tree["posterior_predictive"].to_dataset()[LOG_ERROR]
    seen = tree["observed_data"].to_dataset()[LOG_ERROR]
    sample = names.SAMPLE
    said = []
    for what, of in (("mean", xr.DataArray.mean), ("standard deviation", xr.DataArray.std)):
        above = float((of(drawn, "cell") >= of(seen)).mean(sample))
        said.append(f"{100 * above:.0f} % of draws have a {what} above that measured")
    return f"{', '.join(said)} (near 0 or 100 %: misfit)"


def _say_prior(tree: xr.DataTree) -> str:
    prior = tree["prior"].to_dataset()
    posterior = tree[names.POSTERIOR].to_dataset()[list(prior.data_vars)]
    left = {str(n): float(posterior[n].std() / prior[n].std()) for n in prior.data_vars}
    if not left:
        return "no group-level parameter has a prior of its own"
    halved = sum(share <= 0.5 for share in left.values())
    least = max(left, key=lambda n: left[n])
    return (
        f"of {len(left)} group-level parameters the data made {halved} at least twice as certain: "
        f"least {least}, whose spread is {left[least]:.2f} times that of its prior"
    )


def _say_psense(fit: Fit) -> str:
    tree = sensitivity_tree(fit)
    parts = []
    for name in (names.ELASTICITY, names.ERROR_NOW, names.FLOOR):
        found = _sensitivity(tree, name)
        hang = int((found >= SENSITIVE).sum())
        parts.append(f"{name} at most {float(found.max()):.2f}, {hang} of {found.size} hang on the prior")
    return f"sensitivity to the prior, which informs from {SENSITIVE:g} on: {'; '.join(parts)}"


def _sensitivity(tree: xr.DataTree, name: str) -> xr.DataArray:
    with _told_by_the_reading():
        return azs.psense(tree, var_names=[name], group="prior")[name]


def _prior(fit: Fit, var_names: Sequence[str] | None, backend: str) -> Any:
    tree = arviz_tree(fit)
    known = [str(n) for n in tree["prior"].data_vars]
    shown = list(var_names) if var_names is not None else known
    for name in shown:
        if name not in known:
            raise ValueError(
                f"{name!r} has no prior of its own, but follows from others. Fix: one of {', '.join(known)}."
            )
    rows = -(-len(shown) // 4)
    return azp.plot_prior_posterior(
        tree, var_names=shown, kind="kde", backend=backend, col_wrap=4, figure_kwargs=style.paper(rows, backend)
    )


def _psense(fit: Fit, var_names: Sequence[str], backend: str) -> Any:
    tree = sensitivity_tree(fit)
    first = _sensitivity(tree, var_names[0])
    coords = {}
    if names.SLICE in first.dims:
        by_slice = first.max([d for d in first.dims if d != names.SLICE])
        order = np.argsort(-np.nan_to_num(by_slice.values), kind="stable")[:ENOUGH]
        coords = {names.SLICE: by_slice[names.SLICE].values[order].tolist()}
    shown = fit.posterior[list(var_names)].sel(coords)
    rows = sum(v.size // (v.sizes[names.CHAIN] * v.sizes[names.DRAW]) for v in shown.data_vars.values())
    with _told_by_the_reading():
        return azp.plot_psense_dist(
            tree,
            var_names=list(var_names),
            coords=coords,
            kind="ecdf",
            backend=backend,
            figure_kwargs=style.paper(rows, backend),
        )


@contextmanager
def _told_by_the_reading() -> Iterator[None]:
    """What ArviZ warns of, shapes above 0.7 among the weights, ``khat`` and its reading say."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        yield
