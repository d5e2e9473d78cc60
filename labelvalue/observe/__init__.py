"""Where runs come from: the runs table, and simulation on the user's own data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
