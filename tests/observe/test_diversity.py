"""The score of diversity: what it is by hand, what strategies make of it, and when it is there."""

import numpy as np
import pytest

from labelvalue import names
from labelvalue.observe.simulate.strategies import Clusters, effective_number, find_clusters

KINDS, EACH = 8, 20


@pytest.fixture
def clusters():
    """Eight clusters of twenty rows, rows of a cluster next to each other."""
    return Clusters(np.repeat(np.arange(KINDS), EACH), {"a": np.full(KINDS, EACH)}, entropy=1)


def test_alike_is_below_one_and_one_of_each_is_above(clusters):
    """Both are the effective number, 1 and 8, over what eight rows drawn at random have, sampled here."""
    rng = np.random.default_rng(7)
    drawn = [np.bincount(rng.permutation(clusters.codes)[:KINDS], minlength=KINDS) for _ in range(4000)]
    shares = np.array(drawn) / KINDS
    at_random = np.prod(np.where(shares > 0, shares, 1.0) ** -shares, axis=1).mean()
    alike, of_each = np.arange(KINDS), np.arange(KINDS) * EACH
    assert clusters.score("a", alike) == pytest.approx(1 / at_random, rel=0.05)
    assert clusters.score("a", of_each) == pytest.approx(KINDS / at_random, rel=0.05)
    assert clusters.score("a", alike) < 0.25 < 1 < clusters.score("a", of_each)


@pytest.mark.parametrize("count", [5, 40, 160])
def test_random_rows_score_one(count, clusters):
    rng = np.random.default_rng(2)
    scores = [clusters.score("a", rng.permutation(KINDS * EACH)[:count]) for _ in range(300)]
    assert np.mean(scores) == pytest.approx(1.0, abs=0.04)


def test_rows_drawn_with_replacement_are_held_against_such_draws(clusters):
    rng = np.random.default_rng(2)
    scores = [clusters.score("a", rng.integers(0, KINDS * EACH, 400)) for _ in range(50)]
    assert np.mean(scores) == pytest.approx(1.0, abs=0.02)


def test_no_rows_have_no_score(clusters):
    assert np.isnan(clusters.score("a", np.array([], dtype=int)))


def test_two_even_clusters_count_as_two_and_a_rare_one_hardly():
    assert effective_number(np.array([[5, 5, 0], [98, 1, 1]])) == pytest.approx([2.0, 1.12], abs=0.01)


def test_clusters_are_those_of_the_features_within_each_slice():
    """Two slices with four heaps each; positions of the pool alone count."""
    rng = np.random.default_rng(4)
    heap = np.tile(np.arange(4), 40)
    slices = np.repeat(["a", "b"], 80)
    features = 100.0 * np.column_stack([heap % 2, heap // 2]) + rng.normal(size=(160, 2))
    pool = np.flatnonzero(np.arange(160) % 80 < 40)
    found = find_clusters(features, slices, pool, entropy=3)
    assert {name: int(sizes.sum()) for name, sizes in found.sizes.items()} == {"a": 40, "b": 40}
    for name in "ab":
        rows = pool[slices[pool] == name]
        pairs = set(zip(heap[rows].tolist(), found.codes[rows].tolist(), strict=True))
        assert len(pairs) == 4  # each heap is one cluster
        assert found.score(name, rows[heap[rows] == 0][:4]) < 0.5
        assert found.score(name, rows[:4]) > 1.2  # one of each


def test_the_strategy_that_covers_clusters_scores_above_random(simulate):
    frame = simulate(strategies=("random", "diversity", "margin"), sizes=[60, 120], replicates=3).to_dataframe()
    late = frame[frame[names.LABELS] + frame[names.OTHER_LABELS] == 120]
    mean = late.groupby(names.STRATEGY)[names.DIVERSITY].mean()
    assert mean["diversity"] > 1.05
    assert mean["random"] == pytest.approx(1.0, abs=0.05)
    assert mean["margin"] < mean["diversity"]


def test_it_is_scored_where_strategies_differ_or_on_demand(simulate):
    def scored(**options):
        runs = simulate(sizes=[40, 80], replicates=1, **options)
        return names.DIVERSITY in runs and bool(runs[names.DIVERSITY].notnull().all())

    both = {"strategies": ("random", "margin")}
    assert [scored(**both), scored(), scored(diversity=True), scored(**both, diversity=False)] == [
        *(True, False, True, False)
    ]


def test_where_features_are_no_numbers_it_is_left_out_unless_asked_for(simulate, people):
    x, y, slices = people
    texts = np.where(x[:, 0] > 0, "late parcel", "wrong invoice").astype(object)

    def by_word(x, y, seed):
        usual = {word: max(set(y[x == word].tolist()), key=y[x == word].tolist().count) for word in set(x)}
        return lambda rows: np.array([usual[word] for word in rows])

    data = (texts, y, slices)
    runs = simulate(by_word, data=data, strategies=("random", "stratified"), sizes=[80], replicates=1)
    assert names.DIVERSITY not in runs
    with pytest.raises(ValueError, match=r"could not convert|Expected 2D"):
        simulate(by_word, data=data, diversity=True, sizes=[80], replicates=1)
