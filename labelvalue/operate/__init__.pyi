from .project import Project as Project
from .refit.many import refit_all as refit_all
