"""Where runs come from: the runs table, and simulation on the user's own data."""

from labelvalue.observe.activeml import activeml_strategy
from labelvalue.observe.annotation_tables import add_annotations, load_annotations, write_annotations
from labelvalue.observe.annotations import read_annotations
from labelvalue.observe.curve_output import runs_from_learning_curve
from labelvalue.observe.missing import what_is_missing
from labelvalue.observe.perturbations import ClassMix, FeatureNoise, MissingValues, WrongEvaluation
from labelvalue.observe.protocol import Protocol
from labelvalue.observe.protocol_file import read_protocol
from labelvalue.observe.runs import read_runs
from labelvalue.observe.simulate import simulate_runs
from labelvalue.observe.strategies import Query
from labelvalue.observe.suites import DomainSplit, TimeSplit
from labelvalue.observe.trackers import read_mlflow, read_wandb
from labelvalue.observe.write import write_runs

__all__ = [
    "ClassMix",
    "DomainSplit",
    "FeatureNoise",
    "MissingValues",
    "Protocol",
    "Query",
    "TimeSplit",
    "WrongEvaluation",
    "activeml_strategy",
    "add_annotations",
    "load_annotations",
    "read_annotations",
    "read_mlflow",
    "read_protocol",
    "read_runs",
    "read_wandb",
    "runs_from_learning_curve",
    "simulate_runs",
    "what_is_missing",
    "write_annotations",
    "write_runs",
]
