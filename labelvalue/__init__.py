"""What the next batch of labels is worth, in which slice, and how sure we are.

The public API, and nothing else. Names are looked up when first used, so that ``import labelvalue``
costs milliseconds and the samplers are loaded by the call that samples.

Examples
--------
>>> import labelvalue as lv
>>> runs = lv.testing.fake_runs(seed=1)
>>> fit = lv.testing.fake_fit(seed=1)
>>> lv.summarise(lv.predict_gain(fit, budgets=[500, 2000])).shape[0] == 2 * fit.slices.size
True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
