from . import (
    diagnostics as diagnostics,
    interventions as interventions,
    label_quality as label_quality,
    names as names,
    plans as plans,
    priors as priors,
    report as report,
    risk as risk,
    rules as rules,
    suites as suites,
    testing as testing,
    voi as voi,
)
from .decisions.advice.deciding import decide as decide
from .decisions.advice.decision import Decision as Decision
from .decisions.case.case import Case as Case, example_case as example_case, read_case as read_case
from .decisions.case.costs import Costs as Costs, Tier as Tier
from .decisions.case.value import MixChange as MixChange, Target as Target, Value as Value
from .decisions.sensitivity.what_if import what_if as what_if
from .forecast.backtesting.backtesting import backtest as backtest
from .forecast.gains.drift import drift_rate as drift_rate, predict_idle_error as predict_idle_error
from .forecast.gains.gains import (
    impact as impact,
    labels_needed as labels_needed,
    predict_error as predict_error,
    predict_gain as predict_gain,
    predict_observed_gain as predict_observed_gain,
)
from .forecast.gains.rates import diminishing_returns as diminishing_returns, predict_total_gain as predict_total_gain
from .forecast.interventions.intervention import predict_gain_with as predict_gain_with
from .model.fitting.derived import new_slice as new_slice
from .model.fitting.fitting import fit as fit
from .model.fitting.result import Fit as Fit, load_fit as load_fit, on_items as on_items
from .model.hierarchy.specification import Model as Model, get_model as get_model
from .model.prior.priors import Prior as Prior
from .observe.simulate.execution import Execution as Execution
from .observe.simulate.protocol import Protocol as Protocol, read_protocol as read_protocol
from .observe.simulate.simulate_runs import simulate_runs as simulate_runs
from .observe.table.runs import read_runs as read_runs, write_runs as write_runs
from .observe.table.trackers import read_mlflow as read_mlflow, read_wandb as read_wandb
from .operate.items.choosing import queue as queue
from .operate.project import Project as Project
from .operate.refit.many import refit_all as refit_all
from .problems import BusyError as BusyError, InputError as InputError, StorageError as StorageError
from .quantities import Branch as Branch, Interval as Interval
from .report.numbers.tables import summarise as summarise
from .report.plots.curves import plot_curves as plot_curves
from .report.plots.gains import plot_gain as plot_gain, plot_impact as plot_impact
from .report.render.html import write_report as write_report
