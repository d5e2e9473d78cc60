"""What people read: summary tables, plots and the HTML report, all from the same numbers."""

from labelvalue.report.tables import summarise

__all__ = ["summarise"]
