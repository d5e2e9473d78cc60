"""Calibration of forecasts on each kind of problem, drawn from the stored results of `benchmarks.forecast`.

python -m benchmarks.forecast_picture
"""

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
KINDS = {
    "slices, development": "forecast_slices_development",
    "first day, development": "forecast_slices_first_day_development",
    "LCDB, development": "forecast_development",
    "slices, test": "forecast_slices_test",
    "first day, test": "forecast_slices_first_day_test",
    "LCDB, test": "forecast_test_latest",
}
METHODS = {
    "labelvalue": ("labelvalue", "#0b4f79"),
    "learned": ("forest on the curve's shape", "#c2571a"),
    "floor_residual_2": ("least squares, last 2 doublings", "#6b7a86"),
}
ASKED = (0.87, 0.93)


def main(path: Path = RESULTS / "forecast_calibration.png") -> int:
    """Draw what 50 and 90 % intervals hold at 2, 4 and 8 times the labels, a panel a kind."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(9.5, 5.4), sharex=True, sharey=True, layout="constrained")
    for axis, (kind, name) in zip(axes.ravel(), KINDS.items(), strict=True):
        found = json.loads((RESULTS / f"{name}.json").read_text())
        axis.axhspan(*ASKED, color="0.9", lw=0)
        axis.axhline(0.5, color="0.8", lw=1)
        for method, (title, colour) in METHODS.items():
            parts = found["methods"][method]["by_distance"]
            at = [int(distance.rstrip("x")) for distance in parts]
            for share, line in (("covers_90", "-"), ("covers_50", "--")):
                held = [part[share] for part in parts.values()]
                axis.plot(at, held, line, marker="o", ms=4, color=colour, label=title if line == "-" else None)
        axis.set(title=f"{kind}: {found['problems']} problems", xscale="log", ylim=(0.25, 1.02))
        axis.title.set_fontsize(10)
        axis.set_xticks([2, 4, 8], ["2x", "4x", "8x"])
        axis.minorticks_off()
        axis.set_yticks([0.5, 0.9], ["50 %", "90 %"])
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("labels, of those observed")
    figure.supylabel("held by 90 % intervals (solid) and 50 % intervals (dashed)", fontsize=10)
    handles, titles = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
