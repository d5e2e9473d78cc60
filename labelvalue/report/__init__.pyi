from .numbers.changes import plot_changes as plot_changes
from .numbers.exports import report_tables as report_tables, summary_text as summary_text, write_tables as write_tables
from .numbers.numbers import report_numbers as report_numbers
from .numbers.tables import summarise as summarise
from .plots.analysis import (
    diagnostics_table as diagnostics_table,
    plot_diagnostics as plot_diagnostics,
    read_diagnostics as read_diagnostics,
)
from .plots.curves import plot_curves as plot_curves
from .plots.frontier import plot_frontier as plot_frontier
from .plots.gains import plot_gain as plot_gain
from .plots.impact import plot_impact as plot_impact
from .plots.pictures import write_figures as write_figures
from .plots.prior_curves import plot_prior as plot_prior
from .render.html import write_report as write_report
from .words.project import Context as Context
