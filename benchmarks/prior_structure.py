"""Would the bank gain from families of learners, or from correlated parameters? Evidence bounds say.

The joint model of the development half that `learn_priors` fits, and the same with more structure: learners grouped
into families that differ in every quantity, elasticity and floor that depend on how high a curve's error is within its
data set, both. A bound that is higher by some nats for every parameter added would be a reason to ship the structure.

``python -m benchmarks.prior_structure`` takes some minutes a row; it looks at no test curve.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lcdb_data import load_problems
from benchmarks.learn_priors import approximate, gather, population
from labelvalue.model import get_model

FAMILIES = {
    "trees": ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting"),
    "linear": ("LogisticRegression", "SGD", "Perceptron", "PassiveAggressive", "Ridge", "LinearDiscriminant", "linear"),
    "kernels": ("SVC", "poly", "rbf", "sigmoid"),
    "neighbours": ("KNeighbors", "NearestCentroid"),
    "Bayes": ("NB", "QuadraticDiscriminant"),
    "networks": ("MLP",),
}
"""Kinds of learner, by what their names contain; the rest is a family of its own."""
LAST = 2000
"""Steps over which the bound is averaged."""
OUT = Path("out/prior_structure.json")


def family_of(learner: str) -> int:
    """Number of a learner's family.

    >>> [family_of(name) for name in ("SVC_rbf", "sklearn.tree.DecisionTreeClassifier", "Dummy")]
    [2, 0, 6]
    """
    found = [i for i, parts in enumerate(FAMILIES.values()) if any(part in learner for part in parts)]
    kernels = list(FAMILIES).index("kernels")
    return kernels if kernels in found else (found[0] if found else len(FAMILIES))


def main() -> None:
    """Fit each structure, print a row each, write JSON."""
    model = get_model("power_law")
    problems = load_problems("development")
    observations, data_set, later = gather(problems)
    families = np.array([family_of(learner) for problem in problems for _, learner in problem.curves])
    names = sorted({learner for problem in problems for _, learner in problem.curves})
    print({name: [*FAMILIES, "other"][family_of(name)] for name in names}, file=sys.stderr)
    structures: dict[str, dict[str, Any]] = {
        "as shipped": {},
        "families of learners": {"families": families},
        "elasticity and floor on error": {"on_error": ("elasticity", "floor")},
        "both": {"families": families, "on_error": ("elasticity", "floor")},
    }
    found: dict[str, dict[str, float]] = {}
    print("| structure | bound (nats) | against the first | more parameters |\n|---|---|---|---|")
    for title, more in structures.items():
        joint = population(model, observations, data_set, later, **more)
        size = int(sum(np.size(v) for v in joint.initial_point().values()))
        approximation = approximate(joint)
        draws = approximation.sample(500, random_seed=1).posterior
        kept = {n: float(v.mean()) for n, v in draws.items() if n.endswith(("_on_error", "_families"))}
        found[title] = {"bound": -float(np.mean(approximation.hist[-LAST:])), "parameters": size, **kept}
        first = next(iter(found.values()))
        bound, added = found[title]["bound"], size - first["parameters"]
        print(f"| {title} | {bound:,.0f} | {bound - first['bound']:+,.0f} | {added:.0f} |", kept or "", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
