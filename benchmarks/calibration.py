"""Simulation-based calibration as a picture: is the truth one more draw of the posterior, and do intervals cover?

Draws worlds from the independent simulator of ``tests/statistics``, fits each with the product's model, and plots the
ECDF of the ranks of the truth among posterior draws, less the diagonal, for every quantity, with the band that holds
all of them together in 99 runs of 100 (:mod:`tests.statistics.ranks`). A line that rises, then falls below 0 is a
posterior too narrow, the reverse one too wide, one on one side of 0 a biased one.

``python -m benchmarks.calibration --simulations 300 --out calibration.png`` (about half a second a simulation);
``--regime`` names another one of ``tests/statistics/test_calibration.py``, or ``all``.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from tests.statistics.ranks import BINS, Ranks
from tests.statistics.test_calibration import CURVE, REGIMES, Outcome, run_pass
from tests.statistics.world import AHEAD, Bench

USUAL = "usual"


def plot_ranks(ranks: Ranks, path: Path) -> None:
    """Plot ECDFs less the diagonal, with their band."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    bands, columns = ranks.bands(rate=0.01), 5
    figure, axes = plt.subplots(
        -(-len(bands) // columns),
        columns,
        figsize=(11, 1.5 * -(-len(bands) // columns)),
        sharex=True,
        layout="constrained",
    )
    inner = np.arange(1, BINS) / BINS
    for axis, (name, (line, half)) in zip(axes.flat, bands.items(), strict=False):
        axis.fill_between(inner, -half, half, color="0.85", lw=0)
        axis.axhline(0, color="white", lw=0.8)
        axis.plot(inner, line, color="C0" if (np.abs(line) <= half).all() else "C3")
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=6)
    for axis in axes.flat[len(bands) :]:
        axis.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def row(regime: str, outcome: Outcome, seconds: float) -> str:
    """One regime in figures."""
    ranks = outcome.ranks
    p, held = ranks.p_values(), outcome.inside[0.9].mean(axis=(0, 1))
    least = sorted(p, key=lambda name: p[name])[:3]
    found = ", ".join(f"{name} {far}" for name, far in ranks.failures().items()) or "none"
    cells = (
        regime, f"{ranks.simulations}", f"{len(ranks.names)}", ", ".join(f"{p[n]:.4f} {n}" for n in least), found,
        f"{ranks.power(0.8):.0%}", f"{ranks.power(0.8, *CURVE):.0%}", f"{ranks.power(0.8, 'gain'):.0%}",
        f"{ranks.power(0.8, 'elasticity_mean'):.0%}",
        ", ".join(f"{share:.0%}" for share in held), f"{seconds / ranks.simulations:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Simulate, fit, print tables, write the picture."""
    parser = argparse.ArgumentParser(description="Simulation-based calibration of the default model.")
    parser.add_argument("--simulations", type=int, default=150, help="worlds drawn (default: 150)")
    parser.add_argument("--regime", default=USUAL, choices=[USUAL, *REGIMES, "all"], help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("calibration.png"), help="picture of the last regime")
    given = parser.parse_args()
    known = {USUAL: {}, **REGIMES}
    head = ("regime", "worlds", "quantities", "least p", "not uniform", "sd 20 % too small: found", "curves'", "gain",
            "elasticity_mean", "90 % intervals hold, at " + ", ".join(f"{k}x" for k in AHEAD), "s a world")  # fmt: skip
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for regime in known if given.regime == "all" else [given.regime]:
        start = time.process_time()
        outcome = run_pass(Bench(**known[regime]), range(given.simulations))
        rows.append(row(regime, outcome, time.process_time() - start))
        print(f"\n{regime}\n\n| quantity | rank uniformity, p | z mean | z sd |\n|---|---|---|---|")
        for name, p in sorted(outcome.ranks.p_values().items()):
            z = outcome.z.get(name)
            said = "| |" if z is None else f"{z.mean():+.2f} | {z.std():.2f} |"
            print(f"| {name} | {p:.4f} | {said}", flush=True)
    print("\n" + "\n".join(rows))
    plot_ranks(outcome.ranks, given.out)
    print(f"\nwritten: {given.out}")


if __name__ == "__main__":
    main()
