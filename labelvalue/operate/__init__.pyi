from .refit.many import refit_all as refit_all
from .store.project import Project as Project
