"""Label noise from a model's probabilities, where cleanlab is installed."""

import sys

import numpy as np
import pytest

from labelvalue import InputError
from labelvalue.label_quality import noise_from_probabilities


def labelled(seed=1, items=2000):
    """Two classes that a model tells apart well; one slice has a fifth of its labels wrong, the other few."""
    rng = np.random.default_rng(seed)
    true = rng.integers(2, size=items)
    slices = np.where(rng.random(items) < 0.5, "clean", "noisy")
    wrong = rng.random(items) < np.where(slices == "noisy", 0.2, 0.02)
    score = 1 / (1 + np.exp(-rng.normal(np.where(true == 1, 3.0, -3.0), 1.5)))
    return np.where(wrong, 1 - true, true), np.column_stack([1 - score, score]), slices


def test_the_noisier_slice_is_found():
    pytest.importorskip("cleanlab")
    noise = noise_from_probabilities(*labelled(), random_seed=1)
    mean = noise.mean(("chain", "draw"))
    assert float(mean.sel(slice="noisy")) == pytest.approx(0.2, abs=0.06)
    assert float(mean.sel(slice="clean")) < 0.1
    assert (noise.std("draw") > 0).all()


def test_lengths_must_agree():
    pytest.importorskip("cleanlab")
    labels, chance, slices = labelled(items=20)
    with pytest.raises(InputError, match="19 labels, 20 rows of probabilities and 20 slices"):
        noise_from_probabilities(labels[:-1], chance, slices)


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(InputError, match=r"pip install 'labelvalue\[noise\]'"):
        noise_from_probabilities(*labelled(items=20))
