"""How long an allocation takes: many slices, 4,000 draws.

Run from the repository's root:

    python -m benchmarks.allocation
    python -m benchmarks.allocation --slices 200

Fits are made without sampling (``labelvalue.testing.fake_fit``), so that only the allocation is timed. Seconds are of
the wall, on whatever the machine was doing meanwhile; seconds of the processor and the machine's load stand beside.
"""

import argparse
import dataclasses
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.model.fitting.result import POSITION

SEED = 20261124
DRAWS = 1_000
PROMISED = {200: 20.0, 1_000: 120.0}  # seconds on two quiet cores
COLUMNS = ("slices", "draws", "appetite", "s", "processor s", "load", "peak GiB", "better than equal split", "status")


def many_slices(count: int) -> lv.Fit:
    """A fit without sampling: of up to 200 slices, repeated under other names until there are enough."""
    few = min(count, 200)
    fit = lv.testing.fake_fit(SEED, slices=tuple(f"slice {i:04d}" for i in range(few)), draws=DRAWS)
    if few == count:
        return fit
    named = [f"slice {i:04d}" for i in range(count)]
    tree = fit.tree.copy()
    for group in (names.POSTERIOR, POSITION):
        part = tree[group].to_dataset()
        again = part.isel(slice=np.arange(count) % few).assign_coords(slice=np.array(named, dtype=object))
        tree[group] = xr.DataTree(again)
    return dataclasses.replace(fit, tree=tree)


def measure(fit: lv.Fit, risk: lv.risk.Mean | lv.risk.CVaR) -> dict:
    """Time one allocation of a hundred labels a slice, half of what is worth buying."""
    case = lv.Case(costs={"price_per_label": 0.01}, value={"per_error_point": 1.0}, risk=risk)
    wall, processor = time.perf_counter(), time.process_time()
    plan = lv.decide(fit, case, max_labels=100 * fit.slices.size, measure=False)
    found = plan.certificate
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "slices": int(fit.slices.size),
        "draws": 4 * DRAWS,
        "appetite": risk.name,
        "s": time.perf_counter() - wall,
        "processor s": time.process_time() - processor,
        "load": os.getloadavg()[0],
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30,
        "better than equal split": found.objective / found.equal - 1.0,
        "status": f"{found.method}; {found.status}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Time every size, print a table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocation", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", default=",".join(map(str, PROMISED)), help="numbers of slices, by commas")
    parser.add_argument("--cvar", action="store_true", help="also with the risk appetite CVaR(0.9)")
    parser.add_argument("--out", type=Path, default=None, help="JSON to write")
    options = parser.parse_args(arguments)
    rows = []
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for count in map(int, options.slices.split(",")):
        fit = many_slices(count)
        for risk in [lv.risk.Mean(), lv.risk.CVaR(0.9)] if options.cvar else [lv.risk.Mean()]:
            row = measure(fit, risk)
            rows.append(row)
            shown = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
            print("| " + " | ".join(shown) + " |", flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
