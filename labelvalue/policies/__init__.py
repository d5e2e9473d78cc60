"""Policies: rules of buying labels, played in worlds where the truth is known.

- ``World``: a world with known curves, prices, drift and delays.
- ``simulate_world``: a world drawn by a seed.
- ``Offer``: what a policy knows when it may buy.
- ``buy_nothing``: the policy that never buys.
- ``split_equally``: the policy that buys as many labels for each slice.
- ``follow_advice``: the policy that does what :func:`labelvalue.decide` advises.
- ``regret``: what policies bring, and how much less than an oracle that knows the curves.

Examples
--------
>>> import labelvalue as lv
>>> worlds = [lv.policies.simulate_world(seed=1)]
>>> table = lv.policies.regret(worlds, {"split": lv.policies.split_equally}, max_labels=800)
>>> bool((table["regret"] >= 0).all())
True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
