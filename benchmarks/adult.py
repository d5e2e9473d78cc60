"""Check forecasts on the shipped Adult runs by hand: fit on the small training sets, look at the large ones.

``python -m benchmarks.adult`` prints, slice by slice, the forecast from up to 2,000 labels and the mean error of the
runs with 4,000, 8,000 and 16,000.
"""

from pathlib import Path

import numpy as np

import labelvalue as lv

SEEN = 2_000
LATER = (4_000, 8_000, 16_000)
SEED = 1


def main() -> None:
    """Fit, forecast, compare, print."""
    runs = lv.read_runs(Path(__file__).parents[1] / "data" / "adult_runs.csv")
    total = runs["labels"] + runs["other_labels"]
    fit = lv.fit(runs.isel(run=(total <= SEEN).values), random_seed=SEED, progress=False)
    print(fit, fit.diagnostics, sep="\n")
    print(f"{'labels':>7} {'slice':20} {'now':>7} {'forecast':>8} {'90 % interval':>16} {'came':>7}")
    inside = []
    for size in LATER:
        later = runs.isel(run=(total == size).values).to_dataframe().groupby("slice")
        for name, mean in later[["labels", "other_labels", "error"]].mean().iterrows():
            own, other = round(mean["labels"]), round(mean["other_labels"])
            draws = lv.predict_error(fit, [own], other_labels=[other]).sel(slice=name).values
            low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
            now = float(fit.posterior["error_now"].sel(slice=name).mean())
            inside.append(low <= mean["error"] <= high)
            mark = "" if inside[-1] else "  outside"
            print(f"{size:7,} {name:20} {now:7.4f} {middle:8.4f} [{low:.4f}, {high:.4f}] {mean['error']:7.4f}{mark}")
    print(f"{sum(inside)} of {len(inside)} inside")


if __name__ == "__main__":
    main()
