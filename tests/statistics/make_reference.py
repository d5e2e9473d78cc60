"""Long-run posterior means and standard deviations of twelve data sets, made anew after a model changed.

``python -m tests.statistics.make_reference``: four chains of 5,000 draws each; what a fit of the usual length must
agree with, within Monte Carlo error. Written to ``reference.json``. One data set is the shipped Adult runs, fitted as
a user fits it; eleven are simulated, with few evaluation labels and many, on sets of their own, shared, and mixed, and
fitted by the one compiled model that the statistical tests share.
"""

import json
from pathlib import Path
from typing import Any

import arviz_stats as azs
import numpy as np

import labelvalue as lv
from labelvalue.model.sampling.diagnostics import figures_of, judge
from tests.statistics.world import SHARING, Bench

FILE = Path(__file__).parent / "reference.json"
RUNS = Path(__file__).parents[2] / "data" / "adult_runs.csv"
SEED = 20_261_124
NOBODY, ALL = np.zeros_like(SHARING), np.ones_like(SHARING)
SIMULATED = {
    f"{sharing}, {trials} evaluated, seed {seed}": {"seed": seed, "trials": trials, "sharing": by_slice}
    for seed, (sharing, by_slice, trials) in enumerate(
        [
            ("mixed sets", SHARING, 200),
            ("mixed sets", SHARING, 600),
            ("mixed sets", SHARING, 1500),
            ("mixed sets", SHARING, 3000),
            ("own sets", NOBODY, 200),
            ("own sets", NOBODY, 600),
            ("own sets", NOBODY, 1500),
            ("own sets", NOBODY, 5000),
            ("shared sets", ALL, 600),
            ("shared sets", ALL, 1500),
            ("shared sets", ALL, 5000),
        ],
        start=70_001,
    )
}  # the simulated data sets, by what they are
LONG = {"chains": 4, "tune": 2000, "draws": 5000, "target_accept": 0.95}


def moments(fit: lv.Fit) -> dict[str, dict[str, list[float]]]:
    """Mean and sd, each with its Monte Carlo error, of every variable of the posterior that varies, flattened."""
    posterior = fit.posterior
    error, error_of_sd = azs.mcse(posterior), azs.mcse(posterior, method="sd")
    return {
        str(name): {
            "mean": _short(values.mean(("chain", "draw"))),
            "mcse": _short(error[name]),
            "sd": _short(values.std(("chain", "draw"))),
            "mcse_of_sd": _short(error_of_sd[name]),
        }
        for name, values in sorted(posterior.data_vars.items())
    }


def _short(values: Any) -> list[float]:
    return [float(f"{v:.7g}") for v in np.ravel(values)]


def main() -> None:
    """Fit at length, write the file."""
    bench = Bench()
    adult = lv.fit(lv.read_runs(RUNS), random_seed=SEED, draws=5000, tune=2000)
    fits = {"adult": adult}
    for name, made in SIMULATED.items():
        print(name, flush=True)
        fits[name] = bench.fit(bench.simulate(**made).runs, SEED, **LONG)
    content = {
        "made_by": "python -m tests.statistics.make_reference",
        "versions": adult.settings["versions"],
        "data": {
            name: {
                "runs_sha256": fit.settings["runs_sha256"],
                "verdict": judge(figures_of(fit.tree))[0],
                "draws": int(fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]),
                "posterior": moments(fit),
            }
            for name, fit in ((name, lv.on_items(fit)) for name, fit in fits.items())
        },
    }
    FILE.write_text(json.dumps(content, separators=(",", ":")).replace('"},"', '"},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
