from .annotations.annotations import read_annotations as read_annotations
from .annotations.tables import (
    add_annotations as add_annotations,
    load_annotations as load_annotations,
    write_annotations as write_annotations,
)
from .protocol.protocol import Protocol as Protocol, read_protocol as read_protocol
from .simulate.activeml import activeml_strategy as activeml_strategy
from .simulate.perturbations import (
    ClassMix as ClassMix,
    FeatureNoise as FeatureNoise,
    MissingValues as MissingValues,
    WrongEvaluation as WrongEvaluation,
    what_is_missing as what_is_missing,
)
from .simulate.simulate_runs import simulate_runs as simulate_runs
from .simulate.strategies import Query as Query
from .simulate.suites import DomainSplit as DomainSplit, TimeSplit as TimeSplit
from .table.runs import read_runs as read_runs
from .table.sklearn_curves import runs_from_learning_curve as runs_from_learning_curve
from .table.trackers import read_mlflow as read_mlflow, read_wandb as read_wandb
from .table.write import write_runs as write_runs
