"""What people read: summary tables, plots and the HTML report, all from the same numbers."""

from labelvalue.report.analysis import diagnostics_table, plot_diagnostics, read_diagnostics
from labelvalue.report.context import Context
from labelvalue.report.curves import plot_curves
from labelvalue.report.exports import report_tables, summary_text, write_tables
from labelvalue.report.frontiers import plot_frontier
from labelvalue.report.gains import plot_gain
from labelvalue.report.html import write_report
from labelvalue.report.impacts import plot_impact
from labelvalue.report.numbers import report_numbers
from labelvalue.report.pictures import write_figures
from labelvalue.report.prior_curves import plot_prior
from labelvalue.report.tables import summarise

__all__ = [
    "Context",
    "diagnostics_table",
    "plot_diagnostics",
    "read_diagnostics",
    "plot_curves",
    "plot_frontier",
    "plot_gain",
    "plot_impact",
    "plot_prior",
    "report_numbers",
    "report_tables",
    "summary_text",
    "write_figures",
    "write_tables",
    "summarise",
    "write_report",
]
