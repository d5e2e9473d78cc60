"""Rules of buying labels, played in worlds where the truth is known: what each brings, and its regret."""

from benchmarks.policies.buying import Offer, buy_nothing, follow_advice, regret, split_equally
from benchmarks.policies.worlds import World, simulate_world

__all__ = ["Offer", "World", "buy_nothing", "follow_advice", "regret", "simulate_world", "split_equally"]
