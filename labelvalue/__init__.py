"""What the next batch of labels is worth, in which slice, and how sure we are.

The public API, and nothing else. Names are looked up when first used, so that ``import labelvalue``
costs milliseconds and the samplers are loaded by the call that samples.

Examples
--------
>>> import labelvalue as lv
>>> runs = lv.testing.fake_runs(seed=1)
>>> fit = lv.testing.fake_fit(seed=1)
>>> lv.summarise(lv.predict_gain(fit, budgets=[500, 2000])).shape[0] == 2 * fit.slices.size
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelvalue import names, testing
    from labelvalue.decide import (
        Branch,
        Case,
        Certificate,
        Costs,
        CVaR,
        ExponentialUtility,
        Floor,
        Guardrails,
        Interval,
        Mean,
        MixChange,
        Plan,
        Quantile,
        Reserve,
        Retrain,
        Rule,
        Score,
        SliceLimit,
        Target,
        Tier,
        Value,
        Verdict,
        allocate,
        check_guardrails,
        compare_pairs,
        compare_plans,
        conditional_value_at_risk,
        example_case,
        fairness,
        gain_under_mix,
        loss_against_nothing,
        marginal_benefit,
        plan_outcomes,
        rank_stability,
        read_case,
        scenario_sets,
        score_plans,
        size_reserve,
        slice_outcomes,
        stress_label_errors,
        value_at_risk,
        value_of_partial_information,
        value_of_perfect_information,
    )
    from labelvalue.forecast import (
        ActiveLearning,
        Consensus,
        EvaluationLabels,
        Guideline,
        NewLearner,
        Pretraining,
        Relabel,
        SyntheticData,
        backtest,
        backtest_verdict,
        blend,
        compare_models,
        exchange_rate,
        gain_over_learners,
        gain_over_suites,
        impact,
        labels_needed,
        portfolio_gain,
        predict_error,
        predict_gain,
        predict_gain_with,
        predict_observed_gain,
        predict_total_gain,
        prior_sensitivity,
        strategy_efficiency,
        summarise_backtest,
    )
    from labelvalue.model import (
        Fit,
        Model,
        Prior,
        attach_backtest,
        draw_prior_curves,
        elicit_priors,
        fit,
        load_fit,
        new_slice,
    )
    from labelvalue.observe import (
        ClassMix,
        DomainSplit,
        FeatureNoise,
        MissingValues,
        Protocol,
        Query,
        TimeSplit,
        WrongEvaluation,
        activeml_strategy,
        add_annotations,
        load_annotations,
        read_annotations,
        read_protocol,
        read_runs,
        simulate_runs,
        what_is_missing,
        write_annotations,
        write_runs,
    )
    from labelvalue.operate import Project
    from labelvalue.problems import BusyError, InputError, StorageError
    from labelvalue.report import (
        plot_curves,
        plot_gain,
        plot_impact,
        plot_prior,
        summarise,
        write_report,
    )

_ROOM = {
    "read_runs": "observe",
    "write_runs": "observe",
    "read_annotations": "observe",
    "load_annotations": "observe",
    "write_annotations": "observe",
    "add_annotations": "observe",
    "simulate_runs": "observe",
    "what_is_missing": "observe",
    "read_protocol": "observe",
    "activeml_strategy": "observe",
    "Protocol": "observe",
    "Query": "observe",
    "ClassMix": "observe",
    "DomainSplit": "observe",
    "FeatureNoise": "observe",
    "MissingValues": "observe",
    "TimeSplit": "observe",
    "WrongEvaluation": "observe",
    "Fit": "model",
    "Model": "model",
    "Prior": "model",
    "attach_backtest": "model",
    "draw_prior_curves": "model",
    "elicit_priors": "model",
    "fit": "model",
    "load_fit": "model",
    "new_slice": "model",
    "ActiveLearning": "forecast",
    "Consensus": "forecast",
    "EvaluationLabels": "forecast",
    "Guideline": "forecast",
    "NewLearner": "forecast",
    "Pretraining": "forecast",
    "Relabel": "forecast",
    "SyntheticData": "forecast",
    "exchange_rate": "forecast",
    "predict_gain_with": "forecast",
    "backtest": "forecast",
    "blend": "forecast",
    "compare_models": "forecast",
    "gain_over_learners": "forecast",
    "gain_over_suites": "forecast",
    "portfolio_gain": "forecast",
    "predict_total_gain": "forecast",
    "prior_sensitivity": "forecast",
    "strategy_efficiency": "forecast",
    "backtest_verdict": "forecast",
    "impact": "forecast",
    "labels_needed": "forecast",
    "predict_error": "forecast",
    "predict_gain": "forecast",
    "predict_observed_gain": "forecast",
    "summarise_backtest": "forecast",
    "Branch": "decide",
    "CVaR": "decide",
    "Case": "decide",
    "Certificate": "decide",
    "Costs": "decide",
    "ExponentialUtility": "decide",
    "Floor": "decide",
    "Guardrails": "decide",
    "Interval": "decide",
    "Mean": "decide",
    "MixChange": "decide",
    "Plan": "decide",
    "Quantile": "decide",
    "Reserve": "decide",
    "Retrain": "decide",
    "Rule": "decide",
    "Score": "decide",
    "SliceLimit": "decide",
    "Target": "decide",
    "Tier": "decide",
    "Value": "decide",
    "Verdict": "decide",
    "allocate": "decide",
    "check_guardrails": "decide",
    "compare_pairs": "decide",
    "compare_plans": "decide",
    "conditional_value_at_risk": "decide",
    "example_case": "decide",
    "fairness": "decide",
    "gain_under_mix": "decide",
    "loss_against_nothing": "decide",
    "marginal_benefit": "decide",
    "plan_outcomes": "decide",
    "rank_stability": "decide",
    "read_case": "decide",
    "scenario_sets": "decide",
    "score_plans": "decide",
    "size_reserve": "decide",
    "slice_outcomes": "decide",
    "stress_label_errors": "decide",
    "value_at_risk": "decide",
    "value_of_partial_information": "decide",
    "value_of_perfect_information": "decide",
    "plot_curves": "report",
    "plot_gain": "report",
    "plot_impact": "report",
    "plot_prior": "report",
    "summarise": "report",
    "write_report": "report",
    "Project": "operate",
    "BusyError": "problems",
    "InputError": "problems",
    "StorageError": "problems",
}
_MODULES = ("names", "testing")

__all__ = [*sorted(_ROOM), *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"labelvalue.{name}")
    if name in _ROOM:
        return getattr(importlib.import_module(f"labelvalue.{_ROOM[name]}"), name)
    raise AttributeError(f"module 'labelvalue' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
