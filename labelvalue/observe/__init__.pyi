from .activeml import activeml_strategy as activeml_strategy
from .annotation_tables import (
    add_annotations as add_annotations,
    load_annotations as load_annotations,
    write_annotations as write_annotations,
)
from .annotations import read_annotations as read_annotations
from .curve_output import runs_from_learning_curve as runs_from_learning_curve
from .missing import what_is_missing as what_is_missing
from .perturbations import (
    ClassMix as ClassMix,
    FeatureNoise as FeatureNoise,
    MissingValues as MissingValues,
    WrongEvaluation as WrongEvaluation,
)
from .protocol import Protocol as Protocol
from .protocol_file import read_protocol as read_protocol
from .runs import read_runs as read_runs
from .simulate import simulate_runs as simulate_runs
from .strategies import Query as Query
from .suites import DomainSplit as DomainSplit, TimeSplit as TimeSplit
from .trackers import read_mlflow as read_mlflow, read_wandb as read_wandb
from .write import write_runs as write_runs
