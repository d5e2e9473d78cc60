"""What the majority of votes says of annotators, slices and classes: where chains start."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names

LENT = 5.0
"""Votes at the typical rate lent to each annotator, slice and class, so that none starts at 0 or 1."""


def majority_levels(judgements: xr.Dataset, typical: float) -> dict[str, np.ndarray]:
    """Return what would be estimated if the class with most votes were the true one.

    The majority is right too often in its own eyes, which a start may be. Items with a single vote do not count.

    Parameters
    ----------
    judgements : xarray.Dataset
        From :func:`labelvalue.model.judgements.count_judgements`.
    typical : float
        Logit of the typical annotator's probability of being right, for those with few votes.

    Returns
    -------
    dict of str to array
        ``ability`` (annotator), ``of_slice``, ``of_class``, ``confusing`` (class, others); all but the first sum to
        nothing along the last dim.

    Examples
    --------
    >>> from labelvalue.model.judgements import count_judgements
    >>> from labelvalue.testing import fake_annotations
    >>> majority_levels(count_judgements(fake_annotations(seed=1))[0], 2.0)["of_slice"].round(1).tolist()
    [-0.4, 0.4, -0.3, 0.3]
    """
    slices, annotators, classes = (judgements.sizes[d] for d in (names.SLICE, names.ANNOTATOR, names.TRUE_CLASS))
    group, label = judgements["group_code"].values, judgements["label_code"].values
    pattern, vote = np.nonzero(group >= 0)
    who, said = group[pattern, vote], label[pattern, vote]
    heard = np.zeros((group.shape[0], classes))
    np.add.at(heard, (pattern, said), 1.0)
    truth = judgements["truth"].values
    taken = np.where(truth >= 0, truth, heard.argmax(axis=1))[pattern]
    items = judgements["count"].values * ((heard.sum(axis=1) > 1) | (truth >= 0))
    told = np.zeros((classes, classes))
    np.add.at(told, (taken, said), items[pattern])
    right = taken == said

    def level(code: np.ndarray, size: int) -> np.ndarray:
        votes = np.bincount(code, items[pattern], size) + LENT
        agreeing = np.bincount(code, items[pattern] * right, size) + LENT / (1.0 + np.exp(-typical))
        return np.log(agreeing) - np.log(np.maximum(votes - agreeing, 0.1))

    of_slice, of_class = level(judgements["slice_code"].values[pattern], slices), level(taken, classes)
    off = np.log(told[~np.eye(classes, dtype=bool)].reshape(classes, classes - 1) + 1.0)
    return {
        "ability": level(judgements["group_annotator"].values[who], annotators),
        "of_slice": of_slice - of_slice.mean(),
        "of_class": of_class - of_class.mean(),
        "confusing": off - off.mean(axis=1, keepdims=True),
    }
