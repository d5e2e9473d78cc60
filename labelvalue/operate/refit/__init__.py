"""Batches arrive, fits are made again, verdicts recorded."""
