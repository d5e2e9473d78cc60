"""From levels to confusion: the arithmetic of annotators' errors, for NumPy and PyTensor alike.

The probability that an annotator is right is a logistic of the annotator's ability, the slice and the true class.
Wrong answers fall on the other classes by shares that are pooled over annotators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue.model.curves import namespace, softplus

DENSE_CLASSES = 10
"""Classes up to which annotators differ in which classes they miss; beyond, in how often they are wrong, and what is
taken for what is one matrix for all of them: of 50 classes and 40 people there are 100,000 entries."""
OWN_CONFUSIONS = 2_000
"""Off-diagonal entries of all annotators up to which each annotator has their own."""

LEVELS = ("ability", "of_slice", "of_class", "leaning", "confusing", "own_confusing")


def levels_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return those variables of a model or a posterior draw that confusion is made of.

    Parameters
    ----------
    variables : mapping of str to array or tensor
        ``ability`` (annotator) and, where they exist, ``of_slice`` (slice), ``of_class`` (class), ``leaning``
        (annotator, class), ``confusing`` (class, others) and ``own_confusing`` (annotator, class, others).

    Returns
    -------
    dict

    Examples
    --------
    >>> levels_of({"ability": 1.0, "churn": 2.0})
    {'ability': 1.0}
    """
    return {name: variables[name] for name in LEVELS if name in variables}


def log_right(levels: Mapping[str, Any], slices: Any, annotators: Any) -> Any:
    """Return the logit that a vote is right, by group and true class.

    Parameters
    ----------
    levels : mapping
        From :func:`levels_of`.
    slices, annotators : array of int
        Codes of every group.

    Returns
    -------
    array or tensor, dims (group, class) or (group, 1)

    Examples
    --------
    >>> log_right({"ability": np.array([1.0, 2.0])}, np.array([0, 0]), np.array([0, 1])).ravel().tolist()
    [1.0, 2.0]
    """
    logit = levels["ability"][annotators][:, None]
    if "of_slice" in levels:
        logit = logit + levels["of_slice"][slices][:, None]
    if "of_class" in levels:
        logit = logit + levels["of_class"][None, :]
    if "leaning" in levels:
        logit = logit + levels["leaning"][annotators]
    return logit


def log_confusion(levels: Mapping[str, Any], slices: Any, annotators: Any, classes: int) -> Any:
    """Return log probabilities of every label given every true class, by group.

    Parameters
    ----------
    levels : mapping
        From :func:`levels_of`.
    slices, annotators : array of int
        Codes of every group.
    classes : int
        Number of classes.

    Returns
    -------
    array or tensor, dims (group, true class, label given)

    Examples
    --------
    >>> table = np.exp(log_confusion({"ability": np.array([0.0])}, np.array([0]), np.array([0]), 3))
    >>> table[0].round(2).tolist()
    [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]]
    """
    logit = log_right(levels, slices, annotators)
    right, wrong = -softplus(-logit), -softplus(logit)
    diagonal = np.eye(classes)
    shares = log_shares(levels, annotators, classes)
    return right[:, :, None] * diagonal + (wrong[:, :, None] + shares) * (1.0 - diagonal)


def log_shares(levels: Mapping[str, Any], annotators: Any, classes: int) -> Any:
    """Return log shares of the other classes among wrong answers.

    Parameters
    ----------
    levels : mapping
        From :func:`levels_of`.
    annotators : array of int
        Codes of every group; only looked at where annotators have confusions of their own.
    classes : int
        Number of classes.

    Returns
    -------
    array or tensor, dims (group or 1, true class, label given)
        What stands on the diagonal has no meaning.

    Examples
    --------
    >>> log_shares({"confusing": np.zeros((3, 2))}, None, 3)[0, 0, 1:].round(3).tolist()
    [-0.693, -0.693]
    """
    if classes == 2 or "confusing" not in levels:
        return np.full((1, classes, classes), -np.log(classes - 1.0))
    off = levels["confusing"][None]
    if "own_confusing" in levels:
        off = off + levels["own_confusing"][annotators]
    xp = namespace(off)
    log_shares = off - xp.log(xp.exp(off).sum(axis=-1, keepdims=True))
    others = classes - 1
    place = [k * others + (c - (c > k) if c != k else 0) for k in range(classes) for c in range(classes)]
    flat = log_shares.reshape((-1, classes * others)).T[np.array(place)].T
    return flat.reshape((-1, classes, classes))


def log_prevalence(variables: Mapping[str, Any]) -> Any:
    """Return log shares of classes by slice.

    Parameters
    ----------
    variables : mapping of str to array or tensor
        ``class_level`` (class) and, where slices are several, ``class_of_slice`` (slice, class).

    Returns
    -------
    array or tensor, dims (slice or 1, class)

    Examples
    --------
    >>> np.exp(log_prevalence({"class_level": np.zeros(4)})).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    level = variables["class_level"][None, :]
    if "class_of_slice" in variables:
        level = level + variables["class_of_slice"]
    xp = namespace(level)
    return level - xp.log(xp.exp(level).sum(axis=-1, keepdims=True))
