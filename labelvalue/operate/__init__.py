"""Projects: batches in, re-fits out, past forecasts scored, and a trail of it all."""

from labelvalue.operate.many import refit_all
from labelvalue.operate.project import Project

__all__ = ["Project", "refit_all"]
