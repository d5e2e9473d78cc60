"""Report: what people read beside the page that ``write_report`` writes, as pictures, tables and texts.

Pictures and what they say:

- ``plot_changes``: why the advice changed, as waterfalls.
- ``plot_decision``: what a decision is worth with more and fewer labels, which ``decision.plot()`` draws.
- ``plot_forecasts``: gains that were forecast against those that came, of a backtest or a scorecard.
- ``plot_frontier``: the expected gain over items and votes.
- ``plot_prior``: the learning curves that priors imply.
- ``plot_diagnostics``: one of ArviZ's plots of a fit.
- ``read_diagnostics``: in plain words what that plot shows.
- ``diagnostics_table``: every parameter with its convergence figures.

The numbers of a page:

- ``report_numbers``: every number and text of the report.
- ``report_tables``: these as tables.
- ``write_tables``: these as files, or sheets of one workbook.
- ``decision_text``: a decision in a dozen lines, which ``print(decision)`` writes.
- ``summary_text``: a few plain lines for chat or e-mail.
- ``Context``: what a page says of the past and of what is taken for granted.

Examples
--------
>>> import labelvalue as lv
>>> fit = lv.testing.fake_fit(seed=1)
>>> numbers = lv.report.report_numbers(fit, [500])
>>> sorted(lv.report.report_tables(numbers))
['gains', 'limitations', 'second_opinion']
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
