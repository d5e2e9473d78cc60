"""Simulation-based calibration as a picture: do ranks of the truth spread evenly, and do intervals cover?

Draws worlds from the independent simulator of ``tests/statistics``, fits each with the product's model, and plots the
ranks of the truth among posterior draws for every parameter. An even histogram is a calibrated posterior; a hump is one
too wide, a bowl one too narrow, a slope a biased one.

``python -m benchmarks.calibration --simulations 300 --out calibration.png`` (about half a second a simulation).

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian inference algorithms with simulation-based
calibration"; Säilynoja, Bürkner and Vehtari (2022), "Graphical test for discrete uniformity", for the band.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import stats

from tests.statistics.test_calibration import BINS, Outcome, run_pass, uniformity
from tests.statistics.world import AHEAD, Bench


def plot_ranks(outcome: Outcome, path: Path) -> None:
    """Plot rank histograms with the band in which 99 % of the bars of an even histogram lie."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    columns = 4
    rows = -(-len(outcome.ranks) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 1.7 * rows), sharex=True, layout="constrained")
    for axis, (name, ranks) in zip(axes.flat, sorted(outcome.ranks.items()), strict=False):
        values = ranks.ravel()
        low, high = stats.binom.ppf([0.005, 0.995], values.size, 1 / BINS)
        axis.axhspan(low, high, color="0.85", lw=0)
        axis.hist(values, bins=np.linspace(0, 1 + 1e-9, BINS + 1), color="C0", rwidth=0.9)
        axis.set_title(f"{name} (p = {uniformity(ranks):.2f})", fontsize=8)
        axis.set_yticks([])
    for axis in axes.flat[len(outcome.ranks) :]:
        axis.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Simulate, fit, print a table, write the picture."""
    parser = argparse.ArgumentParser(description="Simulation-based calibration of the default model.")
    parser.add_argument("--simulations", type=int, default=150, help="worlds drawn (default: 150)")
    parser.add_argument("--out", type=Path, default=Path("calibration.png"), help="picture to write")
    given = parser.parse_args()
    outcome = run_pass(Bench(), range(given.simulations))
    print("| quantity | rank uniformity, p | z mean | z sd |\n|---|---|---|---|")
    for name, ranks in sorted(outcome.ranks.items()):
        z = outcome.z[name]
        print(f"| {name} | {uniformity(ranks):.3f} | {z.mean():+.2f} | {z.std():.2f} |")
    for level, inside in sorted(outcome.inside.items()):
        shares = ", ".join(f"{share:.0%} at {k}x" for k, share in zip(AHEAD, inside.mean(axis=(0, 1)), strict=True))
        print(f"\n{level:.0%} intervals of the error held {shares}")
    plot_ranks(outcome, given.out)
    print(f"\nwritten: {given.out}")


if __name__ == "__main__":
    main()
