"""Diagnostics: whether a fit and its forecasts are to be trusted, and what other ways of forecasting say.

The fit:

- ``Diagnostics``: its verdict, with reasons and figures; ``fit.diagnostics``.
- ``arviz_tree``: the fit laid out for every function of ArviZ.
- ``pooling``: how far the impact of a slice's labels is the group's.
- ``carry_over``: how far one learner's curve counts for another's.
- ``check_model``: a learning-curve model against the rules that all keep to.
- ``what_is_missing``: optional columns that the runs lack, and what they would make possible.

Its forecasts, after :func:`labelvalue.backtest`:

- ``summarise_backtest``: scores by forecaster and distance.
- ``backtest_verdict``: whether to trust forecasts, and up to which distance, in one sentence.
- ``attach_backtest``: lets a fit carry its backtest.
- ``leave_one_out``: what is expected of each slice or suite from the others alone.
- ``compare_models``: fits of several models, by leave-one-out and held-out sizes.
- ``blend``: one fit of several models' fits, each as often among its draws as its weight says.
- ``bootstrap_gain``: gains without the model, a second opinion.
- ``gain_disagreement``: where a second opinion differs from the first.

Examples
--------
>>> import labelvalue as lv
>>> fit = lv.testing.fake_fit(seed=1)
>>> fit.diagnostics.verdict, lv.diagnostics.pooling(fit).shape[0] == fit.slices.size
('ok', True)
"""

from labelvalue.forecast.backtesting.scores import compare_models
from labelvalue.forecast.backtesting.trust import attach_backtest, backtest_verdict, summarise_backtest
from labelvalue.forecast.gains.bootstrap import bootstrap_gain, gain_disagreement
from labelvalue.forecast.gains.left_out import leave_one_out
from labelvalue.model.fitting.arviz_tree import arviz_tree
from labelvalue.model.fitting.data_checks import carry_over, pooling
from labelvalue.model.fitting.derived import blend
from labelvalue.model.hierarchy.model_check import check_model
from labelvalue.model.sampling.diagnostics import Diagnostics
from labelvalue.observe.table.runs import what_is_missing

__all__ = [
    "Diagnostics", "arviz_tree", "check_model", "pooling", "carry_over", "compare_models", "blend", "attach_backtest",
    "summarise_backtest", "backtest_verdict", "leave_one_out", "bootstrap_gain", "gain_disagreement", "what_is_missing",
]  # fmt: skip
