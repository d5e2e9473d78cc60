from .numbers.exports import report_tables as report_tables, summary_text as summary_text, write_tables as write_tables
from .numbers.numbers import plot_changes as plot_changes, report_numbers as report_numbers
from .plots.analysis import (
    diagnostics_table as diagnostics_table,
    plot_diagnostics as plot_diagnostics,
    read_diagnostics as read_diagnostics,
)
from .plots.curves import plot_prior as plot_prior
from .plots.gains import plot_forecasts as plot_forecasts
from .plots.plan import plot_decision as plot_decision, plot_frontier as plot_frontier
from .render.terminal import decision_text as decision_text
from .words.project import Context as Context
