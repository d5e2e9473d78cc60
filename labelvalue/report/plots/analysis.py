"""ArviZ's plots of a fit, each with a plain reading, and the figures behind them as tables."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import arviz_plots as azp
import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.prior_sensitivity import WORST_K
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit
from labelvalue.model.sampling.diagnostics import FLAGGED, OK
from labelvalue.numerals import tails
from labelvalue.problems import did_you_mean
from labelvalue.report.numbers.tables import CI_KIND, LOWER, MEAN, UPPER, check_ci_prob
from labelvalue.report.plots import style
from labelvalue.report.plots.predictive import KINDS, draw_predictive, say_predictive

READINGS = {
    "rank": "Lines that wander about the middle agree; one that strays far is a chain that disagrees with the others.",
    "trace": "Every chain should wander like the others about the same level; steps, trends or bars of ticks "
    "(divergent draws) mean that the sampler lost its way.",
    "energy": "The two distributions should be about equally wide; points of BFMI below the line mean that the sampler "
    "rarely reached the tails.",
    "pair": "Round clouds are easy to sample. Narrow bananas or funnels, above all where divergent draws gather, mean "
    "that two parameters can hardly be told apart.",
    "forest": "Points and thick lines are where a parameter probably lies; intervals of one kind that lie apart differ "
    "surely, those that overlap may not.",
    "ppc": "The dark line, what was measured, should lie among the pale ones, each a draw of all cells given the "
    "others of their curves, label errors among them; where it leaves them, the model does not make such errors.",
    "loo_pit": "Where each cell fell in its forecast from all other runs. A line about 0 means that forecasts are as "
    "wide as they should be; one that strays far that they are too narrow, too wide or stand beside the truth, and "
    "points mark the cells that speak against them.",
    "prior": "Where the two lines are the same the data said nothing and the prior speaks alone; where they lie apart "
    "without overlap the two contradict each other.",
    "psense": "The prior (left) and the data (right) count a fifth less and a quarter more: lines that move on the "
    "left hang on the prior, lines that stay on the right have learned nothing from the data.",
    "khat": "Points above 0.7 are runs that the fit leans on so much that leaving them out cannot be judged without "
    "fitting again.",
}  # plots by name, and what to look for in each
BACKENDS = {"matplotlib": (), "plotly": ("plotly", "webcolors"), "bokeh": ("bokeh",), "none": ()}
"""What draws, and the packages that it needs beside those that labelvalue comes with."""
COLUMNS = 4  # panels in a row


def plot_diagnostics(
    fit: Fit, kind: str = "rank", *, var_names: Sequence[str] | None = None, backend: str = "matplotlib"
) -> Any:
    """Draw one of ArviZ's plots of a fit.

    Parameters
    ----------
    fit : Fit
        Fit.
    kind : {"rank", "trace", "energy", "pair", "forest", "ppc", "loo_pit", "prior", "psense", "khat"}
        Which one; what to look for in it stands in its reading, see :func:`read_diagnostics`.
    var_names : sequence of str, optional
        Variables of the posterior; the group-level parameters by default (for ``forest`` and ``psense`` the
        elasticities of the slices, for ``psense`` of the six that hang on the prior most). ``energy``, ``ppc``,
        ``loo_pit`` and ``khat`` are of the fit as a whole.
    backend : {"matplotlib", "plotly", "bokeh", "none"}
        What draws; any but matplotlib must be installed (``pip install 'labelvalue[plotly]'``).

    Returns
    -------
    arviz_plots.PlotCollection
        To be changed further with ArviZ's own means.

    Raises
    ------
    ValueError
        If there is no such kind, variable or backend, the backend is not installed, or the fit lacks what the plot
        needs.

    See Also
    --------
    arviz_tree : All groups at once, for any other function of ArviZ.

    References
    ----------
    Vehtari et al. (2021), "Rank-normalization, folding, and localization", Bayesian Analysis 16; Vehtari, Gelman and
    Gabry (2017), "Practical Bayesian model evaluation using leave-one-out cross-validation", Statistics and Computing
    27, for ``khat``; Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), "Visualization in Bayesian workflow", JRSS
    A 182, for ``ppc`` and ``loo_pit``; Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing
    prior and likelihood sensitivity with power-scaling", Statistics and Computing 34, for ``psense``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> type(plot_diagnostics(fake_fit(seed=1), "energy", backend="none")).__name__
    'PlotCollection'
    """
    if kind not in READINGS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, READINGS)} Fix: one of {', '.join(READINGS)}.")
    _check_backend(backend)
    shown = list(var_names) if var_names is not None else _usual(fit, kind)
    unknown = [name for name in shown if name not in fit.posterior]
    if unknown:
        raise ValueError(
            f"no variable {unknown[0]!r} in the posterior. Fix: one of {', '.join(map(str, fit.posterior))}."
        )
    if kind == "energy" and "energy" not in fit.tree["sample_stats"]:
        raise ValueError("the fit has no energies of its sampler. Fix: look at 'rank' or 'trace' instead.")
    panels = sum(one.size for one in fit.posterior[shown].isel({names.CHAIN: 0, names.DRAW: 0}).data_vars.values())
    grid = {"col_wrap": COLUMNS, "figure_kwargs": style.paper(-(-panels // COLUMNS), backend)}
    draw: dict[str, Callable[[], Any]] = {
        "rank": lambda: azp.plot_rank(fit.tree, var_names=shown, backend=backend, **grid),
        "trace": lambda: azp.plot_trace(fit.tree, var_names=shown, backend=backend, **grid),
        "energy": lambda: azp.plot_energy(fit.tree, backend=backend, figure_kwargs=style.paper(2, backend)),
        "pair": lambda: azp.plot_pair(fit.tree, var_names=shown[:4], backend=backend),
        "forest": lambda: azp.plot_forest(
            fit.tree, var_names=shown, combined=True, ci_kind=CI_KIND, ci_probs=(0.5, 0.9), backend=backend
        ),
        "khat": lambda: azp.plot_khat(
            _left_out(fit),
            hline_values=[WORST_K],
            visuals={"hlines": True},
            backend=backend,
            figure_kwargs=style.paper(2, backend),
        ),
    }
    with style.look() if backend == "matplotlib" else nullcontext():
        return draw_predictive(fit, kind, var_names, backend) if kind in KINDS else draw[kind]()


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}. Fix: one of {', '.join(BACKENDS)}.")
    if missing := [package for package in BACKENDS[backend] if find_spec(package) is None]:
        raise ValueError(
            f"{' and '.join(missing)} not installed, which the backend {backend!r} needs. "
            f"Fix: pip install {' '.join(missing)}, or leave the backend out."
        )


def _left_out(fit: Fit) -> Any:
    """PSIS-LOO of the fit; what its warning says of shapes above 0.7 is said by plot and reading."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        return azs.loo(pointwise_loglikelihood(fit), pointwise=True)


def _usual(fit: Fit, kind: str) -> list[str]:
    if kind == "forest":
        return [names.ELASTICITY]
    return varying(fit) or [names.ELASTICITY]


def varying(fit: Fit) -> list[str]:
    """Group-level parameters whose draws are finite and vary in every chain."""
    group = {str(name): values.values for name, values in fit.posterior.data_vars.items() if values.ndim == 2}
    return [name for name, v in group.items() if np.isfinite(v).all() and (np.ptp(v, axis=1) > 0).all()]


def diagnostics_table(fit: Fit, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Tabulate every parameter of a fit with its convergence figures and a verdict on each.

    Parameters
    ----------
    fit : Fit
        Fit.
    ci_prob : float
        Probability of the equal-tailed interval, 0 < ci_prob < 1.

    Returns
    -------
    pandas.DataFrame
        One row a parameter, the worst R-hat first: ``parameter``, ``mean``, ``sd``, ``lower``, ``upper``, ``mcse`` of
        the mean; ``rhat``, ``ess_bulk``, ``ess_tail``; ``passed`` (``ok``, ``flagged``, ``refused``, or ``constant``)
        by the thresholds of the fit's own verdict. Attributes: ``ci_kind``, ``ci_prob``.

    Raises
    ------
    ValueError
        If ``ci_prob`` is not between 0 and 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> table = diagnostics_table(fake_fit(seed=1))
    >>> set(table["passed"]) <= {"ok", "flagged", "refused", "constant"}
    True
    """
    check_ci_prob(ci_prob)
    rows = []
    for name, values in fit.posterior.data_vars.items():
        others = [d for d in values.dims if d not in names.SAMPLE]
        for place in np.ndindex(*(values.sizes[d] for d in others)):
            one = values.isel(dict(zip(others, place, strict=True)))
            of = ", ".join(str(one[d].item()) for d in others)
            rows.append({"parameter": f"{name}[{of}]" if of else str(name)} | _figures(one, ci_prob))
    table = pd.DataFrame(rows).sort_values("rhat", ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.CI_KIND: CI_KIND, names.CI_PROB: ci_prob}
    return table


def _figures(one: xr.DataArray, ci_prob: float) -> dict[str, Any]:
    draws = one.transpose(names.CHAIN, names.DRAW).values
    low, high = np.quantile(draws, tails(ci_prob))
    row: dict[str, Any] = {MEAN: float(draws.mean()), "sd": float(draws.std(ddof=1)), LOWER: low, UPPER: high}
    if np.ptp(draws) == 0:
        return row | dict.fromkeys([names.MCSE, "rhat", "ess_bulk", "ess_tail"], np.nan) | {"passed": "constant"}
    figures = {
        names.MCSE: float(azs.mcse(draws, method="mean")),
        "rhat": float(azs.rhat(draws)),
        "ess_bulk": float(azs.ess(draws, method="bulk")),
        "ess_tail": float(azs.ess(one.to_dataset(name="draws"), method="tail")["draws"]),
    }
    ess = min(figures["ess_bulk"], figures["ess_tail"])
    within = [figures["rhat"] <= gate.rhat and ess >= gate.ess for gate in (OK, FLAGGED)]
    return row | figures | {"passed": "ok" if within[0] else "flagged" if within[1] else "refused"}


def read_diagnostics(fit: Fit, kind: str = "rank") -> str:
    """Say in plain words what a plot of :func:`plot_diagnostics` shows of this fit.

    Parameters
    ----------
    fit : Fit
        Fit.
    kind : str
        As for :func:`plot_diagnostics`.

    Returns
    -------
    str
        What to look for, and what the figures behind it say here.

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> "worst R-hat" in read_diagnostics(fake_fit(seed=1), "rank")
    True
    """
    if kind not in READINGS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, READINGS)} Fix: one of {', '.join(READINGS)}.")
    figures = fit.diagnostics.figures
    lost = f"divergent draws {100 * figures.get('divergences', np.nan):.2f} %, needed ≤ {100 * OK.divergences:g} %"
    here = {
        "rank": f"worst R-hat {figures.get('rhat', np.nan):.3f}, needed ≤ {OK.rhat:g}",
        "trace": lost,
        "energy": f"lowest BFMI {figures.get('bfmi', np.nan):.2f}, needed ≥ {OK.bfmi:g}",
        "pair": lost,
        "forest": f"{len(fit.slices)} slices, {sum(map(bool, fit.diagnostics.flags.values()))} of them flagged",
    }
    if kind in KINDS:
        here[kind] = say_predictive(fit, kind)
    if kind == "khat":
        k = _left_out(fit).pareto_k
        here["khat"] = f"{int((k > WORST_K).sum())} of {k.size} cells above {WORST_K:g}"
    return f"{READINGS[kind]} Here: {here[kind]}."
