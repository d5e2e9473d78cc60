"""Allocation over many slices that are not quite concave: the bound holds, and little is lost."""

import dataclasses
import itertools

import numpy as np
import pytest

from labelvalue.decisions.search.menu import Aim, Menu, ceiling, greedy
from labelvalue.decisions.search.optimise import best_purchase


def menu_of(net, labels, most, **more) -> Menu:
    count = len(net)
    settings = {
        "low": np.zeros(count, int),
        "high": np.full(count, min(int(labels[-1]), most)),
        "fixed": np.zeros(net.shape[2]),
        "spend": np.zeros(net.shape[:2]),
    }
    return Menu(slices=tuple(map(str, range(count))), labels=labels, net=net, max_labels=most, **(settings | more))


def bumpy(seed: int, count: int, labels: np.ndarray) -> np.ndarray:
    """Rising net benefits with steps in them, one draw each."""
    rng = np.random.default_rng(seed)
    rise = rng.gamma(0.4, 1.0, (count, labels.size - 1)) * np.diff(labels) / np.sqrt(labels[1:])
    return np.concatenate([np.zeros((count, 1)), np.cumsum(rise - 0.2 * rise.mean(), axis=1)], axis=1)[..., None]


@pytest.mark.parametrize("seed", range(20))
def test_d7_bound_holds_and_at_most_one_slice_is_lost(seed):
    """Against every purchase; the loss is no more than what one slice's longest piece brings."""
    labels = np.array([0, 1, 3, 6])
    menu = menu_of(bumpy(seed, 3, labels), labels, 8, low=np.array([0, 1, 0]), high=np.array([6, 6, 4]))
    bought, bound = greedy(menu, np.ones(1))
    every = [*itertools.product(range(7), range(1, 7), range(5))]
    best = max(menu.objective(np.array(x), Aim()) for x in every if sum(x) <= 8)
    assert menu.allows(bought)
    assert bound >= best - 1e-9
    assert menu.objective(bought, Aim()) >= best - np.abs(np.diff(menu.net[..., 0], axis=1)).max()
    assert best - 1e-9 <= ceiling(menu, np.ones(1)) <= bound + 0.02 * abs(bound)
    price = np.random.default_rng(seed).uniform(0.5, 2.0, 3)
    poor = dataclasses.replace(menu, spend=price[:, None] * labels, max_spend=6.0)
    paid = max(poor.objective(x, Aim()) for x in map(np.array, every) if poor.allows(x))
    assert paid - 1e-9 <= ceiling(poor, np.ones(1)) <= ceiling(menu, np.ones(1)) + 1e-9


def test_d7_what_is_concave_is_bought_label_by_label():
    labels = np.array([0, 2, 5, 9])
    net = np.cumsum([[0, 3.0, 2.0, 1.0], [0, 4.0, 1.5, 0.5]], axis=1)[..., None]
    bought, certificate = best_purchase(menu_of(net, labels, 8), Aim())
    assert bought.tolist() == [5, 3]
    assert (certificate.method, certificate.gap) == ("greedy", pytest.approx(0.0))


def test_d32_many_bumpy_slices_are_certified_in_no_time():
    """A thousand slices that greedy cannot solve: no branching, and the certificate says how little can be lost."""
    labels = np.unique(np.geomspace(1, 4_000, 24).astype(int))
    labels = np.concatenate([[0], labels])
    menu = menu_of(bumpy(1, 1_000, labels), labels, 100_000)
    bought, certificate = best_purchase(menu, Aim())
    assert certificate.method == "envelope"
    assert "within" in certificate.status
    assert certificate.gap <= 1e-3 * certificate.objective
    assert certificate.objective > certificate.equal
    assert bought.sum() <= 100_000
