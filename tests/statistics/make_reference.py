"""Long-run posterior means of the shipped Adult runs, made anew after a model changed.

``python -m tests.statistics.make_reference``: four chains of 5,000 draws; what a default fit must agree
with, within Monte Carlo error. Written to ``reference.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import arviz_stats as azs
import numpy as np

import labelvalue as lv

FILE = Path(__file__).parent / "reference.json"
RUNS = Path(__file__).parents[2] / "data" / "adult_runs.csv"
SEED = 20_261_124


def moments(fit: lv.Fit) -> dict[str, dict[str, list[float]]]:
    """Mean and Monte Carlo error of every variable of the posterior that varies, flattened."""
    posterior = fit.posterior
    error = azs.mcse(posterior)
    return {
        str(name): {
            "mean": np.ravel(values.mean(("chain", "draw"))).tolist(),
            "mcse": np.ravel(error[name]).tolist(),
            "sd": np.ravel(values.std(("chain", "draw"))).tolist(),
        }
        for name, values in sorted(posterior.data_vars.items())
    }


def main() -> None:
    """Fit at length, write the file."""
    fit = lv.fit(lv.read_runs(RUNS), random_seed=SEED, draws=5000, tune=2000)
    content = {
        "made_by": "python -m tests.statistics.make_reference",
        "runs_sha256": fit.settings["runs_sha256"],
        "verdict": fit.diagnostics.verdict,
        "draws": int(fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]),
        "versions": fit.settings["versions"],
        "posterior": moments(fit),
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
