"""Where runs come from: the runs table, and simulation on the user's own data."""

from labelvalue.observe.runs import read_runs
from labelvalue.observe.simulate import simulate_runs
from labelvalue.observe.write import write_runs

__all__ = ["read_runs", "simulate_runs", "write_runs"]
