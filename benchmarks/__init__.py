"""Benchmarks of forecast skill against named peers, on real learning curves. Not part of the test suite."""
