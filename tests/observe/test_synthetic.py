"""Synthetic examples: counted apart, made within slice and class, and of the types they came from."""

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from labelvalue import names, read_runs, write_runs
from labelvalue.observe.simulate.suites import NEIGHBOURS, add_synthetic, noisy_bootstrap, smote
from labelvalue.problems import InputError


def test_smote_stays_between_neighbours_of_one_class():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 0.1, (30, 2)), rng.normal(9, 0.1, (10, 2)), [[4.5, 4.5]]])
    y = np.array(["low"] * 30 + ["high"] * 10 + ["alone"])
    made, target = smote(x, y, 4000, seed=1)
    for name, centre in (("low", 0), ("high", 9), ("alone", 4.5)):
        assert np.abs(made[target == name] - centre).max() < 0.6
    assert (target == "low").mean() == pytest.approx(30 / 41, abs=0.03)
    assert np.unique(made[target == "alone"], axis=0).tolist() == [[4.5, 4.5]]
    assert np.unique(made[target == "low"], axis=0).shape[0] > 2000


def test_smote_uses_nearest_neighbours_only():
    x = np.arange(100.0)[:, None] ** 2
    made, _ = smote(x, np.array(["a"] * 100), 3000, seed=1)
    root = np.sqrt(made[:, 0])
    gaps = [np.diff(np.sort(x[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1, 0])).max() for i in range(100)]
    low = np.floor(root).astype(int)
    assert (made[:, 0] >= x[low, 0] - 1e-6).all()
    assert np.max(np.diff(np.sort(made[:, 0]))) <= max(gaps)


def test_equal_rows_do_not_confuse_the_neighbours():
    x = np.zeros((20, 2))
    made, target = smote(x, np.array(["a", "b"] * 10), 50, seed=1)
    assert (made == 0).all()
    assert set(target) == {"a", "b"}


@pytest.mark.parametrize("make", [smote, noisy_bootstrap])
def test_tables_keep_their_columns_and_types(make):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=60),
            "whole": rng.integers(0, 9, 60),
            "text": rng.choice(["a", "b"], 60),
            "kind": pd.Categorical(rng.choice(["x", "y", "z"], 60)),
            "flag": rng.random(60) < 0.5,
        }
    )
    made, target = make(frame, np.array(["no", "yes"] * 30), 200, seed=1)
    assert made.dtypes.to_dict() == frame.dtypes.to_dict()
    assert len(made) == len(target) == 200
    for column in ("text", "kind", "flag"):
        assert set(made[column]) <= set(frame[column])
    again, _ = make(frame, np.array(["no", "yes"] * 30), 200, seed=1)
    assert made.equals(again)


def test_numbers_are_interpolated_with_their_features():
    x = np.linspace(0, 1, 50)[:, None]
    made, target = smote(x, 3 * x[:, 0], 100, seed=1, numeric_target=True)
    assert target == pytest.approx(3 * made[:, 0])


def test_bootstrap_blurs_a_little():
    x = np.random.default_rng(0).normal(size=(500, 1))
    made, target = noisy_bootstrap(x, np.arange(500), 5000, seed=1)
    assert (made[:, 0] - x[target, 0]).std() == pytest.approx(0.1 * x.std(), rel=0.1)


def test_synthetic_rows_are_made_slice_by_slice():
    x = np.concatenate([np.zeros((10, 1)), np.full((4, 1), 5.0)])
    slices = np.array(["a"] * 10 + ["b"] * 4)
    calls = []

    def spy(rows, target, n, seed):
        calls.append((np.unique(rows).tolist(), n, seed))
        return rows[:1].repeat(n, axis=0), target[:1].repeat(n)

    more_x, more_y, counts = add_synthetic(x, np.arange(14), slices, 0.5, spy, 7)
    assert [call[:2] for call in calls] == [([0.0], 5), ([5.0], 2)]
    assert calls[0][2] != calls[1][2]
    assert counts == {"a": 5, "b": 2}
    assert more_x.shape == (21, 1)
    assert (more_x[:14] == x).all()
    assert more_y[:14].tolist() == list(range(14))


def test_they_are_never_counted_in_labels(simulate, tmp_path):
    runs = simulate(synthetic=(0, 1.0), sizes=[40, 160], replicates=1)
    frame = runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    made = frame[names.SYNTHETIC_LABELS] + frame[names.OTHER_SYNTHETIC_LABELS]
    assert sorted(set(zip(total, made, strict=True))) == [(40, 0), (40, 40), (160, 0), (160, 160)]
    added = frame[made > 0]
    assert (added[names.SYNTHETIC_LABELS] == added[names.LABELS]).all()
    again = read_runs(write_runs(runs, tmp_path / "runs.parquet"))
    assert runs.drop_attrs().identical(again.drop_attrs())
    real = frame[made == 0]
    assert real[names.ERRORS].tolist() == simulate(sizes=[40, 160], replicates=1)[names.ERRORS].values.tolist()


def test_ones_own_generator(people, simulate):
    x, y, _ = people
    sizes = []

    def oracle(rows, labels, n, seed):
        """Real rows in disguise: as good as labels can be."""
        drawn = np.random.default_rng(seed).integers(len(y), size=n)
        return x[drawn], y[drawn]

    def spy(rows, labels, seed):
        sizes.append(len(labels))
        return GaussianNB().fit(rows, labels)

    runs = simulate(spy, synthetic=[0, 10.0], generator=oracle, sizes=[40], replicates=8).to_dataframe()
    assert sizes == [40, 440] * 8
    errors = runs.groupby(runs[names.OTHER_SYNTHETIC_LABELS] > 0)[names.ERRORS].sum()
    assert errors[True] < errors[False]
    assert 'generator = "oracle"' in simulate(synthetic=[1.0], generator=oracle, sizes=[40]).attrs[names.PROTOCOL]


def test_with_strategies_and_wrong_labels(simulate):
    runs = simulate(strategies=["random", "margin"], synthetic=[0, 0.5], label_noise=[0.1], sizes=[40, 80])
    frame = runs.to_dataframe()
    made = (frame[names.SYNTHETIC_LABELS] + frame[names.OTHER_SYNTHETIC_LABELS])[frame[names.STRATEGY] == "margin"]
    assert set(made[made > 0]) <= {39, 40, 41}


def test_generators_that_cannot_be(simulate):
    with pytest.raises(InputError, match="did you mean 'smote'"):
        simulate(synthetic=[1.0], generator="smoote")
    with pytest.raises(InputError, match="neither a name nor a function"):
        simulate(synthetic=[1.0], generator=3)
    with pytest.raises(InputError, match="finite number ≥ 0"):
        simulate(synthetic=[-1.0])
    with pytest.raises(RuntimeError, match="the generator made 1 rows and 1 targets"):
        simulate(synthetic=[1.0], generator=lambda x, y, n, seed: (x[:1], y[:1]))
