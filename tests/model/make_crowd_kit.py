"""The labels that crowd-kit gives for the campaign of the tests, which needs no more of it than its own files.

``pip install --no-deps --target /tmp/crowd-kit crowd-kit nltk regex``, then
``PYTHONPATH=/tmp/crowd-kit python -m tests.model.make_crowd_kit``. Written to ``crowd_kit.json``: for each item, in the
order of their names, the class that Dawid and Skene's model and the majority give it.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from labelvalue import testing

FILE = Path(__file__).parent / "crowd_kit.json"
ROUNDS = 200


def campaign() -> tuple[dict, pd.DataFrame]:
    """A campaign with known annotators, in one slice for other methods to follow: its truth, and its judgements."""
    truth = testing.fake_annotation_truth(seed=3, slices=("all",), annotators=6, classes=3, ability=1.5)
    return truth, testing.fake_annotations(seed=3, truth=truth, items=800, votes=3)


def given(table: pd.DataFrame) -> pd.DataFrame:
    """The judgements as crowd-kit reads them."""
    return table.rename(columns={"item": "task", "annotator": "worker"})[["task", "worker", "label"]]


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of what crowd-kit was given."""
    text = given(table).sort_values(["task", "worker"]).to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def labels_of(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What crowd-kit gives each item, by method."""
    from crowdkit.aggregation import DawidSkene, MajorityVote

    methods = {"dawid_skene": DawidSkene(n_iter=ROUNDS), "majority": MajorityVote()}
    return {name: method.fit_predict(given(table)).sort_index() for name, method in methods.items()}


def main() -> None:
    """Write the labels, and what they were made from."""
    _, table = campaign()
    made = {name: labels.tolist() for name, labels in labels_of(table).items()}
    found = {"crowd_kit": version("crowd-kit"), "rounds": ROUNDS, "judgements_sha256": digest(table)}
    FILE.write_text(json.dumps(found | made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
