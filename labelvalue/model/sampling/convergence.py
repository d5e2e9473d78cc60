"""R-hat and effective sample sizes of many scalars at once.

What ArviZ computes for one scalar after another; a hierarchy over thousands of slices has tens of thousands of them,
and is looked at after every round of draws. A test holds both against each other.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from scipy import fft, special

from labelvalue.numerals import TAILS

TOGETHER = 64  # scalars looked at in one go


def convergence(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute rank-normalised split R-hat, bulk and tail effective sample size (Vehtari and others 2021; Geyer 1992).

    Shapes: ``draws`` (chain, draw, scalar); gives ``rhat, ess_bulk, ess_tail`` (scalar).
    """
    spans = [slice(first, first + TOGETHER) for first in range(0, draws.shape[2], TOGETHER)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(lambda span: _of_some(np.moveaxis(draws[:, :, span], 2, 0)), spans))
    rhat, bulk, tail = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rhat if draws.shape[0] > 1 else np.full_like(rhat, np.nan), bulk, tail


def _of_some(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a few scalars, shape (scalar, chain, draw)."""
    halves = _split(draws)
    scores = _normal_scores(halves)
    folded = np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
    rhat = np.maximum(_rhat(scores), _rhat(_normal_scores(folded)))
    ends = np.quantile(draws, TAILS, axis=(1, 2))[..., None, None]
    tail = np.minimum(*(_ess(_split((draws <= end).astype(float))) for end in ends))
    return rhat, _ess(scores), tail


def _split(draws: np.ndarray) -> np.ndarray:
    """Half-chains, shape (scalar, half, draw); the draw in the middle of an odd number is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _normal_scores(halves: np.ndarray) -> np.ndarray:
    """Ranks among all draws of a scalar, as quantiles of a standard normal."""
    ranks = pd.DataFrame(halves.reshape(len(halves), -1).T).rank().to_numpy().T
    return special.ndtri((ranks - 0.375) / (ranks.shape[1] + 0.25)).reshape(halves.shape)


def _rhat(halves: np.ndarray) -> np.ndarray:
    count = halves.shape[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = halves.mean(2).var(1, ddof=1) / halves.var(2, ddof=1).mean(1)
    return np.sqrt(ratio + (count - 1) / count)


def _ess(halves: np.ndarray) -> np.ndarray:
    """Effective sample size by Geyer's initial monotone sequence, shape (scalar)."""
    count = halves.shape[2]
    centred = halves - halves.mean(2, keepdims=True)
    length = fft.next_fast_len(2 * count, real=True)
    power = np.square(np.abs(fft.rfft(centred, length, axis=2))).mean(1)
    together = fft.irfft(power, length, axis=1)[:, :count] / count  # autocovariance, mean over half-chains
    within = together[:, :1] * count / (count - 1.0)
    total = together[:, :1] + halves.mean(2).var(1, ddof=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = 1.0 - (within - together) / total
    correlation[:, 0] = 1.0
    most = max((count - 3) // 2, 0)  # pairs of lags that are looked at
    pairs = correlation[:, 0 : 2 * most : 2] + correlation[:, 1 : 2 * most : 2]
    ahead = np.logical_and.accumulate(pairs > 0.0, axis=1)
    after = np.take_along_axis(correlation, 2 * ahead.sum(1, keepdims=True), axis=1)[:, 0]
    sums = np.where(ahead, np.minimum.accumulate(pairs, axis=1), 0.0).sum(1)
    size = halves.shape[1] * count
    found = size / np.maximum(-1.0 + 2.0 * sums + np.maximum(after, 0.0), 1.0 / np.log10(size))
    return np.where(np.ptp(halves, axis=(1, 2)) < np.finfo(float).resolution, size, found)
