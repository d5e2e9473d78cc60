"""ArviZ's plots of a fit, each with a plain reading, and the figures behind them as tables."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import arviz_base as azb
import arviz_plots as azp
import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.prior_sensitivity import WORST_K
from labelvalue.model.fitting.arviz_tree import LOG_ERROR, arviz_tree, pointwise_loglikelihood, sensitivity_tree
from labelvalue.model.fitting.result import Fit
from labelvalue.model.sampling.diagnostics import FLAGGED, OK
from labelvalue.numerals import readable
from labelvalue.problems import did_you_mean
from labelvalue.report.numbers.tables import CI_KIND, LOWER, MEAN, UPPER, check_ci_prob
from labelvalue.report.plots import style

ENOUGH = 6  # slices that a plot of power-scaling shows: those that hang on the prior most
SENSITIVE = 0.05  # sensitivity from which ArviZ calls a prior informative
CELLS = {"text": "log error measured, of all cells"}
UNEVEN = 0.01  # p-value of uniformity below which the plot of LOO-PIT marks cells


def _say_loo_pit(tree: xr.DataTree) -> str:
    with _told_by_the_reading():
        pit = azs.loo_pit(tree, pareto_pit=True)[LOG_ERROR]
        p_value = float(pit.azstats.uniformity_test(dim=list(pit.dims))[0])
    judged = "even" if p_value >= UNEVEN else "uneven, intervals do not hold what they say"
    within = float((abs(pit - 0.5) <= 0.45).mean())
    return f"{judged} (p = {readable(p_value, 2)}); {100 * within:.0f} % of {pit.size} cells lie in their 90 % interval"


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


def _say_khat(fit: Fit) -> str:
    k = _left_out(fit).pareto_k
    return f"{int((k > WORST_K).sum())} of {k.size} cells above {WORST_K:g}"


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


def _prior(fit: Fit, var_names: Sequence[str] | None) -> Any:
    tree = arviz_tree(fit)
    known = [str(n) for n in tree["prior"].data_vars]
    shown = list(var_names) if var_names is not None else known
    for name in shown:
        if name not in known:
            raise ValueError(
                f"{name!r} has no prior of its own, but follows from others. Fix: one of {', '.join(known)}."
            )
    rows = -(-len(shown) // 4)
    return azp.plot_prior_posterior(tree, var_names=shown, kind="kde", col_wrap=4, figure_kwargs=style.paper(rows))


def _psense(fit: Fit, var_names: Sequence[str]) -> Any:
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
            figure_kwargs=style.paper(rows),
        )


@contextmanager
def _told_by_the_reading() -> Iterator[None]:
    """What ArviZ warns of, shapes above 0.7 among the weights, ``khat`` and its reading say."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        yield


READINGS = {
    "rank": "Lines that wander about the middle agree; points mark where a chain strays further from the others than "
    "chains that agree do in one fit of a hundred.",
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
COLUMNS = 4  # panels in a row
FALSE_ALARM = 0.01  # probability that a rank plot of chains that agree has a mark in any panel
LEAST_RANKED = 20  # draws of a chain that a rank plot keeps


def plot_diagnostics(fit: Fit, kind: str = "rank", *, var_names: Sequence[str] | None = None) -> Any:
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

    Returns
    -------
    arviz_plots.PlotCollection
        To be changed further with ArviZ's own means.

    Raises
    ------
    ValueError
        If there is no such kind or variable, or the fit lacks what the plot needs.

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
    >>> type(plot_diagnostics(fake_fit(seed=1), "energy")).__name__
    'PlotCollection'
    """
    if kind not in READINGS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, READINGS)} Fix: one of {', '.join(READINGS)}.")
    shown = list(var_names) if var_names is not None else _usual(fit, kind)
    unknown = [name for name in shown if name not in fit.posterior]
    if unknown:
        raise ValueError(
            f"no variable {unknown[0]!r} in the posterior. Fix: one of {', '.join(map(str, fit.posterior))}."
        )
    if kind == "energy" and "energy" not in fit.tree["sample_stats"]:
        raise ValueError("the fit has no energies of its sampler. Fix: look at 'rank' or 'trace' instead.")
    panels = sum(one.size for one in fit.posterior[shown].isel({names.CHAIN: 0, names.DRAW: 0}).data_vars.values())
    grid, two = (
        {"col_wrap": COLUMNS, "figure_kwargs": style.paper(-(-panels // COLUMNS))},
        style.paper(2),
    )
    draw: dict[str, Callable[[], Any]] = {
        "rank": lambda: _rank(fit.posterior[shown], panels, **grid),
        "trace": lambda: azp.plot_trace(fit.tree, var_names=shown, **grid),
        "energy": lambda: azp.plot_energy(fit.tree, figure_kwargs=two),
        "pair": lambda: azp.plot_pair(fit.tree, var_names=shown[:4]),
        "forest": lambda: azp.plot_forest(
            fit.tree, var_names=shown, combined=True, ci_kind=CI_KIND, ci_probs=(0.5, 0.9)
        ),
        "khat": lambda: azp.plot_khat(
            _left_out(fit), hline_values=[WORST_K], visuals={"hlines": True}, figure_kwargs=two
        ),
        "ppc": lambda: azp.plot_ppc_dist(arviz_tree(fit), kind="kde", visuals={"title": CELLS}, figure_kwargs=two),
        "loo_pit": lambda: azp.plot_loo_pit(arviz_tree(fit), figure_kwargs=two),
        "prior": lambda: _prior(fit, var_names),
        "psense": lambda: _psense(fit, var_names or [names.ELASTICITY]),
    }
    with style.look(), azb.rc_context({"plot.backend": "matplotlib"}), _told_by_the_reading():
        return draw[kind]()


def _rank(draws: xr.Dataset, panels: int, **grid: Any) -> Any:
    """Plot ranks, with marks in one panel of all by chance; matplotlib's show no p-value."""
    marked = 1 - FALSE_ALARM / panels
    drawn = azp.plot_rank(_unrelated(draws), envelope_prob=marked, **grid)
    for axes in drawn.viz["figure"].item().axes:
        for text in [*axes.texts]:
            text.remove()
    return drawn


def _unrelated(draws: xr.Dataset) -> xr.DataTree:
    """Thin each chain until its draws are as many as the worst are worth: ArviZ's test knows only independent draws."""
    alone = [azs.ess(draws, sample_dims=names.DRAW, method=how).sum(names.CHAIN) for how in ("bulk", "tail")]
    worth = min(float(one.min()) for found in alone for one in found.values())
    step = math.ceil(draws[names.CHAIN].size * draws[names.DRAW].size / worth)
    most = max(draws[names.DRAW].size // LEAST_RANKED, 1)
    return xr.DataTree.from_dict({"posterior": draws.isel({names.DRAW: slice(None, None, min(step, most))})})


def _left_out(fit: Fit) -> Any:
    with _told_by_the_reading():
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
    with np.errstate(invalid="ignore"):  # what never moves has no R-hat
        table = azs.summary(fit.tree, ci_kind=CI_KIND, ci_prob=ci_prob, round_to="none")
    figures = ["ess_bulk", "ess_tail", "rhat", names.MCSE]
    table = table.set_axis([MEAN, "sd", LOWER, UPPER, *figures, "mcse_sd"], axis=1)
    table[figures] = table[figures].where(table["sd"] > 0)
    table["passed"] = np.where(table["sd"] > 0, "refused", "constant")
    for title, gate in (("flagged", FLAGGED), ("ok", OK)):
        fine = (table["rhat"] <= gate.rhat) & (table[["ess_bulk", "ess_tail"]].min(axis=1) >= gate.ess)
        table.loc[fine, "passed"] = title
    table = table.rename_axis("parameter").reset_index().drop(columns="mcse_sd")
    table = table.sort_values("rhat", ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.CI_KIND: CI_KIND, names.CI_PROB: ci_prob}
    return table


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
    here: dict[str, Callable[[], str]] = {
        "rank": lambda: f"worst R-hat {figures.get('rhat', np.nan):.3f}, needed ≤ {OK.rhat:g}",
        "trace": lambda: lost,
        "energy": lambda: f"lowest BFMI {figures.get('bfmi', np.nan):.2f}, needed ≥ {OK.bfmi:g}",
        "pair": lambda: lost,
        "forest": lambda: f"{len(fit.slices)} slices, {sum(map(bool, fit.diagnostics.flags.values()))} of them flagged",
        "ppc": lambda: _say_ppc(arviz_tree(fit)),
        "loo_pit": lambda: _say_loo_pit(arviz_tree(fit)),
        "prior": lambda: _say_prior(arviz_tree(fit)),
        "psense": lambda: _say_psense(fit),
        "khat": lambda: _say_khat(fit),
    }
    return f"{READINGS[kind]} Here: {here[kind]()}."
