"""Projects: batches in, re-fits out, past forecasts scored, and a trail of it all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
