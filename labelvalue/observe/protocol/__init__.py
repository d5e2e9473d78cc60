"""The protocol of runs, and settings of what is simulated."""
