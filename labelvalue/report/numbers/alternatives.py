"""What other purchases are worth in numbers: strategies of choosing labels, and better or worse labels."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import NO_PLAN, Decision
from labelvalue.decisions.advice.rules import STATE
from labelvalue.decisions.case.case import HOLDOUT, Case
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.errors import noise_known
from labelvalue.decisions.sensitivity.noise import noise_sensitivity
from labelvalue.decisions.sensitivity.offers import offers, price_ratio, votes_frontiers
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.forecast.gains.learners_and_suites import PERSISTENCE, gain_over_suites
from labelvalue.forecast.interventions.alternatives import diversity_efficiency, strategy_efficiency
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import number, significant, tails
from labelvalue.report.numbers.tables import LOWER, MEAN, P_BETTER, P_POSITIVE, UPPER, plain, records, spread
from labelvalue.report.words.wording import decimals, percent, probability

SURE = 0.9  # P(better than random) from which a strategy is called worth it; as far from it on the other side, not
WORTH, NOT_WORTH, OPEN = "worth it here", "not worth it here", "not decided by these runs"


def strategy_numbers(fit: Fit, case: Case | None = None, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Collect what the labels of every strategy are worth against random ones, now, as a mean over slices."""
    if names.EFFICIENCY not in fit.posterior:
        return []
    worth = strategy_efficiency(fit).reset_coords(drop=True)
    worth = worth.mean([d for d in worth.dims if d in (names.SLICE, names.SUITE)])
    rows = []
    for at in _each(worth, names.STRATEGY):
        ratio, priced = price_ratio(fit, case, at[names.STRATEGY])
        own = worth.sel(_known(at)).transpose(names.CHAIN, names.DRAW)
        row = at | {
            "random": str(fit.settings[names.STRATEGIES][0]),
            "label": _judged(own, ci_prob),
            "money": _judged(own / ratio, ci_prob),
            "price_ratio": float(np.mean(ratio)),
            "priced": priced,
        }
        rows.append(row | {"sentence": _sentence_of_strategy(row, ci_prob)})
    return rows


def diversity_sentence(fit: Fit, ci_prob: float = 0.9) -> str:
    """Say how probably diversity of labels matters, and what the most diverse that was seen is worth; else nothing."""
    if names.DIVERSITY_POWER not in fit.posterior:
        return ""
    worth = diversity_efficiency(fit)
    at = float(worth[names.DIVERSITY].max())
    told = spread(worth.sel({names.DIVERSITY: at}), ci_prob)
    return (
        f"P(diversity of labels matters) {probability(worth.attrs['p_matters'])}, at even odds beforehand. A label "
        f"among {at:.2f} times as many effective clusters as random ones cover is worth {told[MEAN]:.2f} random labels "
        f"({percent(ci_prob)} credible interval {told[LOWER]:.2f} to {told[UPPER]:.2f})."
    )


def _judged(worth: xr.DataArray, ci_prob: float) -> dict[str, Any]:
    chance = float((worth > 1).mean())
    verdict = WORTH if chance >= SURE else NOT_WORTH if chance <= 1 - SURE else OPEN
    return spread(worth, ci_prob) | {P_BETTER: chance, "verdict": verdict}


def _sentence_of_strategy(row: Mapping[str, Any], ci_prob: float) -> str:
    """Put what a strategy is worth into sentences."""
    label, money = row["label"], row["money"]
    learner = "" if row[names.LEARNER] is None else f", for learner “{row[names.LEARNER]}”,"
    said = (
        f"A label of “{row[names.STRATEGY]}” is{learner} worth {label[MEAN]:.2f} labels of “{row['random']}” "
        f"({percent(ci_prob)} credible interval {label[LOWER]:.2f} to {label[UPPER]:.2f}; P(better than random) "
        f"{probability(label[P_BETTER])}): {label['verdict']}."
    )
    if row["priced"]:
        return (
            f"{said} It costs {row['price_ratio']:.2f} times as much by the case; for the same money its labels are "
            f"worth {money[MEAN]:.2f} times those of random choice ({money[LOWER]:.2f} to {money[UPPER]:.2f}; P(better "
            f"than random) {probability(money[P_BETTER])}): {money['verdict']}."
        )
    return (
        f"{said} For its money it breaks even where its label costs {label[MEAN]:.2f} times as much "
        f"({label[LOWER]:.2f} to {label[UPPER]:.2f}); no other price is stated."
    )


MODELLED, MEASURED = "modelled", "measured"


def suite_of(fit: Fit, case: Case | None = None) -> str:
    """Return the suite that a page is about: that of the case, else the holdout, else the first."""
    if names.SUITE not in fit.position.dims:
        return ""
    known = fit.position[names.SUITE].values.astype(str).tolist()
    wanted = HOLDOUT if case is None or not case.suite else case.suite
    return wanted if wanted in known else known[0]


def suite_numbers(
    fit: Fit, suite: str, budget: int | None, measured: xr.Dataset | None = None, *, ci_prob: float = 0.9
) -> dict[str, Any] | None:
    """Collect how much of a gain on one suite persists on the others."""
    rows = _modelled(fit, suite, budget, ci_prob) if suite and budget else []
    came = [] if measured is None else _measured(measured, ci_prob)
    if not rows and not came:
        return None
    found: dict[str, Any] = {names.SUITE: suite or HOLDOUT, names.BUDGET: budget, MODELLED: rows, MEASURED: came}
    return found | {"sentence": _sentence(found, ci_prob)}


def _each(values: xr.DataArray, dim: str) -> Iterator[dict[str, Any]]:
    """Names along a dim, each with every learner; None where there are no several."""
    learners = values[names.LEARNER].values.tolist() if names.LEARNER in values.dims else [None]
    for name, learner in itertools.product(values[dim].values.astype(str).tolist(), learners):
        yield {dim: name, names.LEARNER: learner}


def _known(at: Mapping[str, Any]) -> dict[str, Any]:
    return {dim: name for dim, name in at.items() if name is not None}


def _modelled(fit: Fit, suite: str, budget: int | None, ci_prob: float) -> list[dict[str, Any]]:
    gain = predict_gain(fit, [int(budget or 0)]).isel({names.BUDGET: 0}, drop=True).reset_coords(drop=True)
    gain = gain.mean(names.SLICE)
    kept, worst = gain_over_suites(gain, suite)[PERSISTENCE], gain.min(names.SUITE)
    rows = []
    for at in _each(gain, names.SUITE):
        own, share = (values.sel(_known(at)) for values in (gain, kept))
        least = worst.sel(_known({names.LEARNER: at[names.LEARNER]}))
        of_gain = spread(own, ci_prob) | {P_POSITIVE: float((own > 0).mean())}
        found = {names.GAIN: of_gain, "kept": _median(share, ci_prob), "p_worst": float((own <= least).mean())}
        rows.append(at | found)
    return rows


def _measured(measured: xr.Dataset, ci_prob: float) -> list[dict[str, Any]]:
    share = measured[PERSISTENCE]
    return [at | {"kept": _median(share.sel(_known(at)), ci_prob)} for at in _each(share, names.SUITE)]


def _median(drawn: xr.DataArray, ci_prob: float) -> dict[str, float | None]:
    """Median and interval of draws that have no mean to speak of: a ratio, or infinite in some; None for no number."""
    found = np.quantile(drawn, [0.5, *tails(ci_prob)], method="nearest")
    return dict(zip(("median", LOWER, UPPER), (plain(float(one)) for one in found), strict=True))


def _sentence(found: dict[str, Any], ci_prob: float) -> str:
    """Which suite keeps least of the gain, as modelled and as measured."""
    said = []
    for which, lead in ((MODELLED, "By the posterior"), (MEASURED, "Of the gain that had been forecast")):
        others = [row for row in found[which] if row[names.SUITE] != found[names.SUITE]]
        rows = [row for row in others if row["kept"]["median"] is not None]
        if not rows:
            continue
        least = min(rows, key=lambda row: row["kept"]["median"])
        kept, share = least["kept"], percent(ci_prob)
        text = f"{lead}, suite {least[names.SUITE]} keeps least of the gain on {found[names.SUITE]}"
        if which == MEASURED:
            text = f"{lead} on {found[names.SUITE]}, least came on suite {least[names.SUITE]}"
        text += f": {percent(kept['median'])} ({share} interval {percent(kept[LOWER])} to {percent(kept[UPPER])})"
        if which == MODELLED:
            text += f"; P(gain > 0) there {probability(least[names.GAIN][P_POSITIVE])}"
        said.append(text + ".")
    return " ".join(said)


ORIGINS = {
    names.ELICITED: "from an elicited prior: the case states it",
    names.FROM_ANNOTATIONS: "from data: judgements of the annotations",
    names.FROM_RUNS: "from data: the wrong evaluation labels that the fit found",
}
FACTORS = {0.5: "half as many", 1.0: "as many as now", 2.0: "twice as many"}


def quality_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any] | None:
    """Collect what becomes of a plan, and of the advice, at other shares of wrong labels among new ones."""
    if noise_known(plan.fit, plan.case)[0] is None:
        return None
    table = noise_sensitivity(plan, factors=tuple(FACTORS), ci_prob=ci_prob)
    plans = table.attrs["plans"]
    digits = decimals(table["gain_upper"] - table["gain_lower"])
    rows = [
        row | {"title": FACTORS[row[names.NOISE_FACTOR]], "digits": digits, "plan": labels}
        for row, labels in zip(records(table), plans, strict=True)
    ]
    moved = [name for name in plan.labels if len({labels[name] for labels in plans}) > 1]
    found = {
        "rows": rows,
        "moved": moved,
        "origin": ORIGINS[table.attrs["origin"]],
        names.UNIT: table.attrs[names.UNIT],
    }
    return found | {"sentence": _sentence_of_quality(found)}


def stress_numbers(plan: Decision, drawn: xr.Dataset | None) -> list[dict[str, Any]]:
    """Collect the errors that matter under plausible wrong labels: none, everywhere (``drawn``), or in one slice."""
    if drawn is None or not plan.total:
        return []
    rows, weights = [], volumes(plan.fit, plan.case.value)
    for stress in drawn[names.STRESS].values:
        at = drawn.sel({names.STRESS: stress}, drop=True)
        own = at.sel({names.PLAN: names.RECOMMENDED}, drop=True)
        error, wrong = own[names.ERROR].mean(names.SAMPLE).to_series(), own[names.WRONG_SHARE].to_series()
        net = own[names.NET_BENEFIT] - at[names.NET_BENEFIT].sel({names.PLAN: names.NOTHING}, drop=True)
        rows.append(
            {
                names.STRESS: str(stress),
                names.WRONG_SHARE: float(wrong.max()),
                names.SLICE: str(wrong.idxmax()) if wrong.any() else "",
                names.ERROR: float((error * weights.to_series()).sum()),
                "worst": float(error.max()),
                "worst_slice": str(error.idxmax()),
                names.NET_BENEFIT: float(net.mean()),
                STATE: str(at[STATE].item()),
            }
        )
    return rows


def _sentence_of_quality(found: Mapping[str, Any]) -> str:
    """What the plan gains with better and worse labels, and whether it would still be the advice."""
    fewer, now, more = found["rows"]
    gains = [number(row[names.GAIN], row["digits"]) for row in (fewer, now, more)]
    said = (
        f"Of the new labels, {percent(now[names.WRONG_SHARE])} are taken to be wrong. With half as many wrong ones the "
        f"plan would gain {gains[0]} in mean error instead of {gains[1]}, with twice as many {gains[2]}."
    )
    return " ".join([said, *(_instead(row, now, found[names.UNIT]) for row in (fewer, more))])


def _instead(row: Mapping[str, Any], now: Mapping[str, Any], unit: str) -> str:
    lead = f"With {row['title']},"
    if row["advice"] == NO_PLAN:
        return f"{lead} no plan that was tried keeps the rules of the case."
    broken = "" if row["kept"] else "the plan would no longer keep the rules of the case, and "
    if row["same"]:
        same = row["advice"] == now["advice"]
        return (
            f"{lead} {broken}the advice would be the same." if same else f"{lead} the advice would be: {row['advice']}."
        )
    done = f"{row[names.INTERVENTIONS]} and " if row[names.INTERVENTIONS] else ""
    beside = f"{significant(abs(row['more']))} {'more' if row['more'] >= 0 else 'less'} than the plan's"
    return (
        f"{lead} {broken}the advice would be: {row['advice']}, {done}{row[names.LABELS]:,} labels, for a net benefit "
        f"of {significant(row['best'])} {unit} ({beside})."
    )


EFFECT_ORIGINS = {
    names.FROM_RUNS: "from data: the runs",
    names.FROM_ANNOTATIONS: "from data: annotations",
    names.ELICITED: "from an elicited prior: as stated",
}


def frontier_entries(frontier: xr.Dataset, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Lay a frontier out as plain numbers, slice by slice."""
    found = []
    for name in frontier[names.SLICE].values.astype(str).tolist():
        own = frontier.sel({names.SLICE: name})
        low, high = own[names.GAIN].quantile(tails(ci_prob), names.SAMPLE)
        columns = {names.LABELS: own[names.LABELS], names.GAIN: own[names.GAIN].mean(names.SAMPLE)}
        columns |= {LOWER: low, UPPER: high, names.P_BEST: own[names.P_BEST]}
        columns["chosen"] = own[names.VOTES] == own["votes_chosen"]
        table = xr.Dataset({key: values.reset_coords(drop=True) for key, values in columns.items()})
        surface = own["surface"].transpose(names.VOTES, names.BUDGET)
        axes = {names.LABELS: surface[names.BUDGET].values.tolist(), names.VOTES: surface[names.VOTES].values.tolist()}
        entry = {names.SLICE: name, "money": frontier.attrs["money"], "price": frontier.attrs["price"]}
        entry["rows"] = records(table.to_dataframe().reset_index())
        found.append(entry | {"surface": axes | {names.GAIN: surface.values.tolist()}})
    return found


def frontier_numbers(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Collect, slice by slice, what the plan's money for a slice would gain as fewer items with more votes."""
    return [
        entry | {"planned": planned}
        for frontier, planned in votes_frontiers(plan)
        for entry in frontier_entries(frontier, ci_prob)
    ]


def offer_numbers(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """List the interventions of a case: in the plan or not, worth how many plain labels, from where each effect comes.

    Median and interval, as a draw in which no number of labels does the same is infinite.
    """
    return [
        {key: _median(one.worth[key], ci_prob) for key in (names.EQUIVALENT_LABELS, names.BREAK_EVEN)}
        | {
            "beside": one.worth.attrs[names.LABELS],
            "name": one.offered.name,
            "kind": one.offered.kind,
            "slices": list(one.offered.slices),
            "origin": EFFECT_ORIGINS[one.origin],
            "done": one.done,
        }
        for one in offers(plan)
    ]
