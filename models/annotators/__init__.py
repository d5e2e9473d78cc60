"""The shipped models of annotators, one file each, found by their folder; their priors lie in ``priors``."""
