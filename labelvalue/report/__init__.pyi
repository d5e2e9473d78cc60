from .analysis import (
    diagnostics_table as diagnostics_table,
    plot_diagnostics as plot_diagnostics,
    read_diagnostics as read_diagnostics,
)
from .changes import plot_changes as plot_changes
from .context import Context as Context
from .curves import plot_curves as plot_curves
from .exports import report_tables as report_tables, summary_text as summary_text, write_tables as write_tables
from .frontiers import plot_frontier as plot_frontier
from .gains import plot_gain as plot_gain
from .html import write_report as write_report
from .impacts import plot_impact as plot_impact
from .numbers import report_numbers as report_numbers
from .pictures import write_figures as write_figures
from .prior_curves import plot_prior as plot_prior
from .tables import summarise as summarise
