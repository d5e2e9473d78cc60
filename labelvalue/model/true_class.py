"""The true class summed over, and the gradient, for judgements among many classes.

For every pattern all classes are weighed, none left out. Written in tables of groups and of classes, a weight is a
product, so that a pattern costs a few passes over its classes, and no logarithm but one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MISMATCH = "slices, classes, groups or labels of judgements do not go with the tables"
RESCALED = 8
"""Votes after which weights are brought back to the order of 1: of hundreds, the product would be 0."""


def sum_over_truth(tables: Any, judgements: Any, count: Any, gradients: Any) -> float:
    """Return the log likelihood of patterns, and add up how it changes with each entry of the tables.

    Plain loops: numba compiles them (:mod:`labelvalue.model.true_class_operation`), and Python runs them as they are.

    Parameters
    ----------
    tables : tuple of four arrays
        Logarithms of: share of a class, shape (slice, class); probability that a vote is right and that it is wrong,
        each of shape (group, true class); share of a label among wrong ones, shape (label, true class), whose diagonal
        does not matter.
    judgements : tuple of four arrays of int
        Slice and known class (or −1) of every pattern; group and label of each of its votes, shape (pattern, vote), of
        which a group of −1 is none.
    count : array, shape (pattern)
        Items of every pattern.
    gradients : tuple of four arrays
        The derivatives by ``tables``, in their shapes, are added to them.

    Returns
    -------
    float
        Log likelihood.

    Examples
    --------
    One item of two classes alike, judged twice by somebody who is right in nine cases of ten: 0.9² / 2 + 0.1² / 2.

    >>> tables = np.log([[0.5, 0.5]]), np.log([[0.9, 0.9]]), np.log([[0.1, 0.1]]), np.zeros((2, 2))
    >>> judgements = np.array([0]), np.array([-1]), np.array([[0, 0]]), np.array([[1, 1]])
    >>> gradients = tuple(np.zeros(table.shape) for table in tables)
    >>> float(np.exp(sum_over_truth(tables, judgements, np.ones(1), gradients)).round(3))
    0.41
    """
    of_slice, truth, group, label = judgements
    prevalence, right, wrong, share = np.exp(tables[0]), np.exp(tables[1]), np.exp(tables[2]), np.exp(tables[3])
    to_prevalence, to_right, to_wrong, to_share = gradients
    classes = prevalence.shape[1]
    weight = np.empty(classes)
    total = 0.0
    for p in range(count.size):
        if truth[p] >= 0:
            total += count[p] * known(tables, truth[p], group, label, p, count[p], gradients)
            continue
        place = of_slice[p]
        for k in range(classes):
            weight[k] = prevalence[place, k]
        scale = weigh(right, wrong, share, group, label, p, weight)
        whole = 0.0
        for k in range(classes):
            whole += weight[k]
        total += count[p] * (np.log(whole) + scale)
        items = count[p] / whole
        for k in range(classes):
            weight[k] *= items
            to_prevalence[place, k] += weight[k]
        spread_over(weight, group, label, p, to_right, to_wrong, to_share)
    return total


def weigh(right: Any, wrong: Any, share: Any, group: Any, label: Any, p: int, weight: Any) -> float:
    """Multiply the weights of classes by the probabilities of a pattern's votes; return the log of what was taken out.

    Parameters
    ----------
    right, wrong, share : array
        As in :func:`sum_over_truth`, not logarithms.
    group, label : array of int, shape (pattern, vote)
        Votes.
    p : int
        The pattern. Whole arrays are given, and not its row: to slice one costs as much as to work through it.
    weight : array, shape (class)
        Changed.

    Returns
    -------
    float
        Logarithm of a common factor, other than 0 where votes are many.

    Examples
    --------
    >>> weight, half = np.full(2, 0.5), np.full((1, 2), 0.5)
    >>> weigh(0.9 + 0 * half, 0.1 + 0 * half, np.ones((2, 2)), np.array([[0]]), np.array([[1]]), 0, weight)
    0.0
    >>> weight.round(2).tolist()
    [0.05, 0.45]
    """
    scale = 0.0
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        agreed = weight[said] * right[who, said]
        for k in range(weight.size):
            weight[k] *= wrong[who, k] * share[said, k]
        weight[said] = agreed
        if v % RESCALED == RESCALED - 1:
            most = weight.max()
            scale += np.log(most)
            for k in range(weight.size):
                weight[k] /= most
    return scale


def spread_over(weight: Any, group: Any, label: Any, p: int, to_right: Any, to_wrong: Any, to_share: Any) -> None:
    """Add a pattern's items, spread over classes, to the derivatives of all that its votes touch.

    Parameters
    ----------
    weight : array, shape (class)
        Items by class.
    group, label : array of int, shape (pattern, vote)
        Votes.
    p : int
        The pattern.
    to_right, to_wrong, to_share : array
        Derivatives, added to.

    Examples
    --------
    >>> right, wrong, share = np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((2, 2))
    >>> spread_over(np.array([0.25, 0.75]), np.array([[0]]), np.array([[1]]), 0, right, wrong, share)
    >>> right.tolist(), wrong.tolist(), share.tolist()
    ([[0.0, 0.75]], [[0.25, 0.0]], [[0.0, 0.0], [0.25, 0.0]])
    """
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        kept_wrong, kept_share = to_wrong[who, said], to_share[said, said]
        for k in range(weight.size):
            to_wrong[who, k] += weight[k]
            to_share[said, k] += weight[k]
        to_wrong[who, said], to_share[said, said] = kept_wrong, kept_share
        to_right[who, said] += weight[said]


def mismatched(tables: Any, judgements: Any, count: Any) -> bool:
    """Whether some code has no place in the tables, which loops would read, and write, beyond their ends.

    Parameters
    ----------
    tables, judgements, count
        As in :func:`sum_over_truth`.

    Returns
    -------
    bool

    Examples
    --------
    >>> tables = np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((2, 2))
    >>> mismatched(tables, (np.array([0]), np.array([-1]), np.array([[1]]), np.array([[0]])), np.ones(1))
    True
    """
    of_slice, truth, group, label = judgements
    slices, classes = tables[0].shape
    if tables[1].shape != tables[2].shape or tables[1].shape[1] != classes or tables[3].shape != (classes, classes):
        return True
    patterns = count.shape[0]
    if of_slice.shape[0] != patterns or truth.shape[0] != patterns or group.shape[0] != patterns:
        return True
    if group.shape != label.shape:
        return True
    groups = tables[1].shape[0]
    for p in range(patterns):
        if of_slice[p] < 0 or of_slice[p] >= slices or truth[p] >= classes:
            return True
        for v in range(group.shape[1]):
            if group[p, v] >= groups or (group[p, v] >= 0 and (label[p, v] < 0 or label[p, v] >= classes)):
                return True
    return False


def known(tables: Any, truth: int, group: Any, label: Any, p: int, items: float, gradients: Any) -> float:
    """Return the log likelihood of the votes on an item whose class is known, and add to the derivatives.

    Parameters
    ----------
    tables, gradients : tuple of four arrays
        As in :func:`sum_over_truth`; here added to.
    truth : int
        The class.
    group, label : array of int, shape (pattern, vote)
        Votes.
    p : int
        The pattern.
    items : float
        Items of this pattern.

    Returns
    -------
    float
        Log likelihood of one item.

    Examples
    --------
    >>> tables = np.log([[0.5, 0.5]]), np.log([[0.9, 0.9]]), np.log([[0.1, 0.1]]), np.zeros((2, 2))
    >>> gradients = tuple(np.zeros(table.shape) for table in tables)
    >>> float(np.exp(known(tables, 0, np.array([[0]]), np.array([[1]]), 0, 1.0, gradients)).round(3))
    0.1
    """
    total = 0.0
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        if said == truth:
            total += tables[1][who, truth]
            gradients[1][who, truth] += items
        else:
            total += tables[2][who, truth] + tables[3][said, truth]
            gradients[2][who, truth] += items
            gradients[3][said, truth] += items
    return total
