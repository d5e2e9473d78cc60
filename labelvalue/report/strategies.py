"""Whether a strategy of choosing labels is worth it here: per label, and for its money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions import Case
from labelvalue.decisions.spending import PRICE
from labelvalue.forecast import ActiveLearning, strategy_efficiency
from labelvalue.forecast.draws import draws, slice_draws
from labelvalue.model import Fit
from labelvalue.report.plans import spread
from labelvalue.report.tables import LOWER, MEAN, P_BETTER, UPPER
from labelvalue.report.wording import Part, percent, probability

SURE = 0.9
"""P(better than random) from which a strategy is called worth it; as far from it on the other side, not."""
WORTH, NOT_WORTH, OPEN = "worth it here", "not worth it here", "not decided by these runs"


def strategy_numbers(fit: Fit, case: Case | None = None, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Collect what the labels of every strategy are worth against random ones, now, as a mean over slices.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case, optional
        Gives the price of a random label; what a strategy's costs more is the ``unit_cost`` of the ``ActiveLearning``
        of that strategy among its interventions, nothing where there is none.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    list of dict
        One a strategy (and learner): ``strategy``, ``learner`` (``None`` for the only one), ``random``, the strategy
        it is held against; ``label`` and ``money``, each with ``mean``, ``lower``, ``upper``, ``p_better`` and
        ``verdict``; ``price_ratio``, the mean price of its label over that of a random one, and whether it is
        ``priced`` by the case. Empty for runs of one strategy.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> strategy_numbers(fake_fit(seed=1))
    []
    """
    if names.EFFICIENCY not in fit.posterior:
        return []
    worth = strategy_efficiency(fit).reset_coords(drop=True)
    worth = worth.mean([d for d in worth.dims if d in (names.SLICE, names.SUITE)])
    learners = worth[names.LEARNER].values.tolist() if names.LEARNER in worth.dims else [None]
    rows = []
    for strategy in worth[names.STRATEGY].values.astype(str).tolist():
        ratio, priced = _dearer(fit, case, strategy)
        for learner in learners:
            own = worth.sel({names.STRATEGY: strategy} | ({} if learner is None else {names.LEARNER: learner}))
            own = own.transpose(names.CHAIN, names.DRAW)
            rows.append(
                {
                    names.STRATEGY: strategy,
                    names.LEARNER: learner,
                    "random": str(fit.settings[names.STRATEGIES][0]),
                    "label": _judged(own, ci_prob),
                    "money": _judged(own / ratio, ci_prob),
                    "price_ratio": float(np.mean(ratio)),
                    "priced": priced,
                }
            )
    return rows


def _dearer(fit: Fit, case: Case | None, strategy: str) -> tuple[Any, bool]:
    """Price of a strategy's label over that of a random one, draw by draw, as the case has it."""
    offered = [
        one for one in (() if case is None else case.interventions)
        if isinstance(one, ActiveLearning) and one.strategy == strategy
    ]  # fmt: skip
    if case is None or not offered:
        return 1.0, False
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    price = price.mean(names.SLICE) if names.SLICE in price.dims else price
    more = draws(fit, f"{offered[0].name}.unit_cost", offered[0].unit_cost)
    return (price + more) / price, True


def _judged(worth: xr.DataArray, ci_prob: float) -> dict[str, Any]:
    chance = float((worth > 1).mean())
    verdict = WORTH if chance >= SURE else NOT_WORTH if chance <= 1 - SURE else OPEN
    return spread(worth, ci_prob) | {P_BETTER: chance, "verdict": verdict}


def strategy_parts(row: Mapping[str, Any], ci_prob: float) -> list[Part]:
    """Put what a strategy is worth into sentences.

    Parameters
    ----------
    row : mapping
        Of :func:`strategy_numbers`.
    ci_prob : float
        Probability of its intervals.

    Returns
    -------
    list of (text, is a name)
        Pieces to join.

    Examples
    --------
    >>> judged = {"mean": 1.3, "lower": 1.1, "upper": 1.5, "p_better": 0.97, "verdict": "worth it here"}
    >>> row = {"strategy": "margin", "learner": None, "random": "random", "label": judged, "money": judged,
    ...        "price_ratio": 1.0, "priced": False}
    >>> "".join(text for text, _ in strategy_parts(row, 0.9))[:50]
    'A label of margin is worth 1.30 labels of random ('
    """
    label, money = row["label"], row["money"]
    parts: list[Part] = [("A label of ", False), (row[names.STRATEGY], True)]
    if row[names.LEARNER] is not None:
        parts += [(" is, for learner ", False), (row[names.LEARNER], True), (",", False)]
    else:
        parts.append((" is", False))
    parts += [
        (f" worth {label[MEAN]:.2f} labels of ", False),
        (row["random"], True),
        (
            f" ({percent(ci_prob)} credible interval {label[LOWER]:.2f} to {label[UPPER]:.2f}; P(better than random) "
            f"{probability(label[P_BETTER])}): {label['verdict']}.",
            False,
        ),
    ]
    if row["priced"]:
        said = (
            f" It costs {row['price_ratio']:.2f} times as much by the case; for the same money its labels are worth "
            f"{money[MEAN]:.2f} times those of random choice ({money[LOWER]:.2f} to {money[UPPER]:.2f}; P(better than "
            f"random) {probability(money[P_BETTER])}): {money['verdict']}."
        )
    else:
        said = (
            f" For its money it breaks even where its label costs {label[MEAN]:.2f} times as much "
            f"({label[LOWER]:.2f} to {label[UPPER]:.2f}); no other price is stated."
        )
    return [*parts, (said, False)]
