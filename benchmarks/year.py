"""A year of a project, played in minutes: twelve batches arrive on the shipped curve, and everything is written down.

    python -m benchmarks.year                     # about twenty minutes on two cores
    python -m benchmarks.year --quick             # five batches, few draws, no timings

The batches are the shipped runs of four occupations in the order of their sizes, but for two that the script makes:
one whose errors are raised by a third (something has drifted; it is measured again and superseded), one of another
learner (a logistic regression that is trained here on the shipped table). Prices, rules and people are invented. The
re-fits are real ones, each in a process of its own.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import labelvalue as lv
from benchmarks.nightly import SLICES, shipped, timings
from labelvalue import Project, names
from labelvalue.decisions.case.case import parse_case
from labelvalue.operate.history.assets import yields
from labelvalue.operate.refit.outcome import calibration_line, change_lines

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "year.json"
DRIFT = 1.35  # by which the errors of the drifted batch are raised
CASE = """\
name = "year"
currency = "USD"

[costs]
price_per_label = {price}
retraining = 40

[value]
per_error_point = {point}
[guardrails]
minimum_gain = {{ limit = {least} }}
maximum_spend = {{ limit = 400 }}
"""
PROJECT = """\
case = "case.toml"

[plan]
max_labels = 4000
lot = 100

[fit]
random_seed = 20261124
draws = {draws}
tune = {draws}

[report]
page = true
{more}
"""
PRIOR = """
[priors.elasticity_mean]
distribution = "normal"
center = -2.5
spread = 0.7
source = "the team, after the drift"
"""


def arrivals() -> list[tuple[str, pd.DataFrame]]:
    """The shipped runs as ten batches, in the order of training-set sizes, and two that are made."""
    table = shipped()
    total = table[names.LABELS] + table[names.OTHER_LABELS]
    early = table[names.REPLICATE] <= 2

    def some(size: int, which: pd.Series | None = None) -> pd.DataFrame:
        return table[(total == size) & (True if which is None else which)]

    batches = [
        ("01 pilot", table[total <= 500]),
        ("02", some(1000, early)),
        ("03", some(1000, ~early)),
        ("04", some(2000, early)),
        ("05", some(2000, ~early)),
        ("06", some(4000, early)),
        ("07", some(4000, ~early)),
        ("08", some(8000, early)),
        ("09", some(8000, ~early)),
    ]
    drifted = some(16_000, table[names.REPLICATE] <= 1).copy()
    raised = (drifted[names.ERRORS] * DRIFT).round().astype(int)
    drifted[names.ERRORS] = np.minimum(raised, drifted[names.TRIALS])
    drifted[names.EVALUATION_SET] = "november"
    batches.append(("10", drifted))
    return batches


def measured_again() -> pd.DataFrame:
    """The drifted batch as it is once somebody has found what had gone wrong with its evaluation."""
    table = shipped()
    total = table[names.LABELS] + table[names.OTHER_LABELS]
    return table[(total == 16_000) & (table[names.REPLICATE] <= 1)]


def other_learner(quick: bool) -> pd.DataFrame:
    """Runs of a logistic regression on the same occupations, trained here on the shipped table."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    sys.path.insert(0, str(ROOT / "data"))
    import make_adult_runs as data

    features, income = data.load()
    encoded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
        remainder=StandardScaler(),
    )
    learner = make_pipeline(encoded, LogisticRegression(max_iter=500))
    sizes = (500, 2000) if quick else (500, 2000, 8000)
    how = lv.Protocol(sizes=sizes, replicates=2, test_size=0.3, random_state=data.RANDOM_STATE)
    quiet = lv.Execution(progress=False)
    runs = lv.simulate_runs(learner, features, income, "occupation", protocol=how, execution=quiet)
    left = (names.SECONDS, names.MEASURED_AT, names.PROTOCOL, names.LABELS_NOW)  # the year counts what was trained on
    kept = [n for n in runs.data_vars if n not in left]
    made = runs[kept].to_dataframe().assign(**{names.LEARNER: "logistic"})
    return made[made[names.SLICE].isin(SLICES)]


class Year:
    """The project, and what happened in it month by month."""

    def __init__(self, folder: Path, quick: bool):
        self.quick = quick
        self.settings = {"price": 0.06, "point": 120, "least": 0.012, "draws": 300 if quick else 1000, "more": ""}
        self.project = Project.create(folder)
        self.months: list[dict[str, Any]] = []
        self.have: dict[str, int] = {}
        self.configure()

    def configure(self, **changes: Any) -> None:
        self.settings |= changes
        (self.project.folder / "case.toml").write_text(CASE.format_map(self.settings))
        (self.project.folder / "labelvalue.toml").write_text(PROJECT.format_map(self.settings))

    def month(self, name: str, runs: pd.DataFrame, again: bool = False) -> None:
        """A batch comes, or comes again in better shape; the night's re-fit follows, and somebody decides."""
        start = time.perf_counter()
        self.project.add(runs, batch=name, supersede=again, cost=self.price_of(runs))
        result = self.project.refit(progress=False)
        seconds = time.perf_counter() - start
        score = [r.content for r in self.project.ledger.records("score") if r.content[names.BATCH] == name]
        fired = [found["trigger"] for found in result.triggers if found["fired"]]
        rules = (result.advice or {"guardrails": []})["guardrails"]
        stops = [rule["rule"] for rule in rules if rule["state"] == "STOP"]
        if result.published is not None:
            verdict = "wait" if result.state == "STOP" else (result.advice or {"advice": "wait"})["advice"]
            comment = f"stopped by {', '.join(stops)}" if stops else "as advised"
            self.project.decide(verdict, approver="R. Fisher", comment=comment)
        card = self.project.scorecard()
        self.months.append(
            {
                "batch": name,
                "runs": len(runs),
                "seconds": round(seconds, 1),
                "verdict": result.verdict,
                "reasons": list(result.reasons),
                "exit_code": result.exit_code,
                "state": result.state,
                "stops": stops,
                "triggers": fired,
                "surprise": score[-1]["surprise"] if score else None,
                "forecasts": len(score[-1]["cells"]) if score else 0,
                "held_90": sum(c[names.COVERS_90] for c in score[-1]["cells"]) if score else 0,
                "factor": result.calibration["factor"],
                "covers_90_so_far": float(card[names.COVERS_90].mean()) if len(card) else None,
                "advice": result.advice["advice"] if result.advice else None,
                "plan": sum(result.advice["plan"].values()) if result.advice else None,
                "net_benefit": (result.advice or {}).get(names.NET_BENEFIT, {}).get("mean"),
                "notes": list(result.notes),
            }
        )
        print(_line(self.months[-1]), flush=True)

    def price_of(self, runs: pd.DataFrame) -> float:
        """What the labels cost that nobody had before, at the price of the day."""
        largest = runs.groupby(names.SLICE)[names.LABELS].max()
        new = sum(max(0, int(count) - self.have.get(str(name), 0)) for name, count in largest.items())
        self.have |= {str(k): max(int(v), self.have.get(str(k), 0)) for k, v in largest.items()}
        return round(new * float(self.settings["price"]), 2)

    def record(self) -> dict[str, Any]:
        """Everything that is shown of the year."""
        assets, card = self.project.assets(), self.project.scorecard()
        checks = [r.content for r in self.project.ledger.records("check")]
        return {
            "months": self.months,
            "scorecard": {
                "forecasts": len(card),
                **{n: float(card[n].mean()) for n in (names.COVERS_50, names.COVERS_90, names.CRPS, names.BIAS)},
                "bias_money": float(card["bias_money"].mean()),
            },
            "calibration_line": calibration_line(self.project_calibration()),
            "assets": assets.attrs["total"],
            "gain_per_1000_by_batch": yields(assets, parse_case(CASE.format_map(self.settings))).to_dict(),
            "warnings": assets.attrs["warnings"],
            "learner": [c for c in checks if c["of"] == "learner"],
            "records": len(self.project.ledger.records()),
        }

    def project_calibration(self) -> Any:
        from labelvalue.operate.history.scorecard import calibration

        return calibration(self.project.scorecard())


def _line(month: dict[str, Any]) -> str:
    held = f"{month['held_90']:.0f} of {month['forecasts']}" if month["forecasts"] else "-"
    surprise = "" if month["surprise"] is None else f" p={month['surprise']:.2g}"
    return (
        f"{month['batch']:<12} {month['seconds']:6.1f} s  exit {month['exit_code']}  {month['state'] or '-':<12}"
        f" held {held:<8} factor {month['factor']:.2f}{surprise}  {month['advice']} {month['plan']}"
        f"  {' '.join(month['triggers'])}"
    )


def main() -> None:
    """Play the year, explain its last change, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five batches, few draws, no timings")
    parser.add_argument("--out", type=Path, default=None, help="where results go")
    parser.add_argument("--keep", type=Path, default=None, help="keep the project in this new folder")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp()) / "year"
    year = Year(folder, given.quick)
    batches = arrivals()
    for name, runs in batches[:3] + batches[-1:] if given.quick else batches:
        year.month(name, runs)
    year.month("10", measured_again(), again=True)
    before = len(year.project.ledger.records("advice"))
    year.configure(price=0.09, point=150, more=PRIOR)
    year.month("11 logistic", other_learner(given.quick))
    if not given.quick:
        table = shipped()
        total = table[names.LABELS] + table[names.OTHER_LABELS]
        waterfall = explained(year.project) if before else None
        year.month("12", table[(total == 16_000) & (table[names.REPLICATE] > 1)])
    else:
        waterfall = explained(year.project) if before else None
    epilogue = drawn_up_anew(year)
    head = year.project.verify(reproduce=True)
    made: dict[str, Any] = {"quick": given.quick, "cores": os.cpu_count(), "head": head, **year.record()}
    made |= {
        "waterfall": waterfall,
        "drawn_up_anew": epilogue,
        "timings": {} if given.quick else timings(year.project.folder),
    }
    year.project.page(folder / "trail.html")
    out = given.out or (Path(tempfile.mkdtemp()) / "year.json" if given.quick else RESULTS)
    out.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    print(made["calibration_line"], *made["warnings"], f"{folder / 'trail.html'}", f"{out}", sep="\n")


def drawn_up_anew(year: Year) -> dict[str, Any]:
    """After the year the case is drawn up anew, then prices rise and the team goes back to the shipped prior."""
    year.configure(point=2000, price=0.06)
    year.project.refit(progress=False)
    year.configure(price=1.5, more="")
    year.project.refit(progress=False)
    return explained(year.project)


def explained(project: Project) -> dict[str, Any]:
    """The waterfall of the last change, printed and as plain values."""
    table = project.explain(budget=1000, progress=False)
    print("\n".join(change_lines(table)), flush=True)
    return {**table.attrs, "rows": table.to_dict("records")}


if __name__ == "__main__":
    main()
