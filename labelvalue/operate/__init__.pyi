from .many import refit_all as refit_all
from .project import Project as Project
