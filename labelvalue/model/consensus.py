"""Consensus labels: the probability of every class of an item, given all that was said about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.confusion import DENSE_CLASSES, levels_of, log_confusion, log_prevalence, log_right, log_shares
from labelvalue.model.curves import softplus

DRAWS = 100
"""Posterior draws over which probabilities are averaged."""
LEVEL_NAMES = ("ability", "of_slice", "of_class", "leaning", "confusing", "own_confusing", "class_level",
               "class_of_slice")  # fmt: skip
BLOCK = 20_000_000
"""Numbers held at once."""


def thinned(posterior: xr.Dataset, most: int = DRAWS) -> list[dict[str, np.ndarray]]:
    """Return the levels of some draws of a posterior, evenly spread over chains and draws.

    Parameters
    ----------
    posterior : xarray.Dataset
        Dims chain, draw.
    most : int
        Most draws.

    Returns
    -------
    list of dict
        Levels by name.

    Examples
    --------
    See :func:`labelvalue.estimate_label_noise`.
    """
    kept = posterior[[name for name in LEVEL_NAMES if name in posterior]]
    stacked = {str(n): v.values.reshape(-1, *v.shape[2:]) for n, v in kept.data_vars.items()}
    total = next(iter(stacked.values())).shape[0]
    which = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    return [{name: values[i] for name, values in stacked.items()} for i in which]


def class_probabilities(posterior: xr.Dataset, judgements: xr.Dataset) -> np.ndarray:
    """Return the probability of every class for every pattern, averaged over draws.

    Parameters
    ----------
    posterior : xarray.Dataset
        Dims chain, draw.
    judgements : xarray.Dataset
        From :func:`labelvalue.model.judgements.count_judgements`.

    Returns
    -------
    array, shape (pattern, class)
        Rows sum to 1; a known class has 1.

    Examples
    --------
    See :func:`labelvalue.estimate_label_noise`.
    """
    classes = judgements.sizes[names.TRUE_CLASS]
    patterns = judgements["count"].size
    total = np.zeros((patterns, classes))
    if patterns == 0:
        return total
    draws = thinned(posterior)
    step = max(1, BLOCK // (classes * max(judgements["group_code"].shape[1], 1)))
    for levels in draws:
        tables = _tables(levels, judgements, classes)
        for start in range(0, patterns, step):
            part = slice(start, start + step)
            total[part] += _weighed(levels, judgements, tables, part)
    total /= len(draws)
    truth = judgements["truth"].values
    known = np.flatnonzero(truth >= 0)
    total[known] = 0.0
    total[known, truth[known]] = 1.0
    return total


def _tables(levels: dict[str, np.ndarray], judgements: xr.Dataset, classes: int) -> tuple[np.ndarray, ...]:
    """Log probability of each label given each class, by group: whole, or in the parts that many classes have."""
    groups = judgements["group_slice"].values, judgements["group_annotator"].values
    if classes <= DENSE_CLASSES:
        return (log_confusion(levels_of(levels), *groups, classes),)
    logit = log_right({k: v for k, v in levels.items() if k in ("ability", "of_slice", "of_class")}, *groups)
    return -softplus(-logit), -softplus(logit), log_shares(levels, None, classes)[0].T


def _weighed(
    levels: dict[str, np.ndarray], judgements: xr.Dataset, tables: tuple[np.ndarray, ...], part: slice
) -> np.ndarray:
    group, label = judgements["group_code"].values[part], judgements["label_code"].values[part]
    prevalence = log_prevalence(levels)
    of_slice = judgements["slice_code"].values[part] if prevalence.shape[0] > 1 else np.zeros(len(group), dtype=int)
    log_share = prevalence[of_slice].copy()
    for vote in range(group.shape[1]):
        given = np.flatnonzero(group[:, vote] >= 0)
        who, said = group[given, vote], label[given, vote]
        if len(tables) == 1:
            log_share[given] += tables[0][who, :, said]
        else:
            right, wrong, shares = tables
            told = wrong[who] + shares[said]
            told[np.arange(given.size), said] = right[who, said]
            log_share[given] += told
    weight = np.exp(log_share - log_share.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def consensus_labels(items: pd.DataFrame, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the likeliest label of every item, with its probability.

    Parameters
    ----------
    items : pandas.DataFrame
        From :func:`labelvalue.model.judgements.count_judgements`.
    probabilities : array
        From :func:`class_probabilities`.
    classes : list of str
        Classes.

    Returns
    -------
    pandas.DataFrame
        ``source``, ``item``, ``question``, ``slice``, ``label``, ``probability``, and a column of probability for each
        class, named ``p(class)``.

    Examples
    --------
    See :func:`labelvalue.estimate_label_noise`.
    """
    mine = probabilities[items["pattern"].to_numpy()] if len(items) else np.zeros((0, len(classes)))
    best = mine.argmax(axis=1) if len(items) else np.zeros(0, dtype=int)
    table = items.drop(columns="pattern").assign(
        **{names.LABEL: np.array(classes, dtype=object)[best], names.PROBABILITY: mine.max(axis=1, initial=0.0)}
    )
    shares = pd.DataFrame(mine, columns=[f"p({name})" for name in classes], index=table.index)
    return pd.concat([table, shares], axis=1)
