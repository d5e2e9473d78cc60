"""What the next batch of labels is worth, in which slice, and how sure we are.

The public names, in the order in which an analyst meets them. All are looked up when first used, so that
``import labelvalue`` costs milliseconds and the samplers are loaded by the call that samples.

- Runs: ``read_runs``, ``simulate_runs``, ``Protocol``, ``read_protocol``, ``Execution``, ``write_runs``; from other
  tools ``read_mlflow``, ``read_wandb``.
- A fit: ``fit``, ``Fit``, ``load_fit``, ``new_slice``, ``on_items``; its model ``Model``, ``get_model``, ``Prior``.
- Gains: ``predict_gain``, ``predict_total_gain``, ``predict_observed_gain``, ``predict_gain_with``, ``predict_error``,
  ``predict_idle_error``, ``impact``, ``labels_needed``, ``diminishing_returns``, ``drift_rate``;
  in numbers ``summarise``, in pictures ``plot_gain``, ``plot_curves``, ``plot_impact``; and ``backtest``.
- A case: ``Case``, ``Costs``, ``Tier``, ``Value``, ``Target``, ``MixChange``, ``read_case``, ``example_case``;
  what is not known for sure is an ``Interval`` or a ``Branch``.
- The decision: ``decide``, ``Decision``, ``what_if``.
- The report: ``write_report``.
- The items to label: ``queue``.
- A project over time: ``Project``, ``refit_all``.
- What is raised: ``InputError``, ``StorageError``, ``BusyError``.

What only some questions need lies in namespaces, each of which lists its names:

- ``suites``: what else a model is evaluated on than its holdout.
- ``label_quality``: annotations, wrong labels, time; more labels or better ones.
- ``priors``: where they come from, and how far the answer hangs on them.
- ``diagnostics``: whether a fit and its forecasts are to be trusted.
- ``interventions``: what is bought instead of plain labels or beside them.
- ``plans``: what labels bring and cost, plans side by side.
- ``risk``: how outcomes become one number, and what may be lost.
- ``rules``: what a plan must keep.
- ``voi``: what it is worth to know more first.
- ``report``: more pictures, tables, texts.
- ``names``: dims, coordinates and variables.
- ``testing``: runs and fits without training or sampling.

Examples
--------
>>> import labelvalue as lv
>>> runs = lv.testing.fake_runs(seed=1)
>>> fit = lv.testing.fake_fit(seed=1)
>>> lv.summarise(lv.predict_gain(fit, budgets=[500, 2000])).shape[0] == 2 * fit.slices.size
True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
