"""The shipped learning-curve models, one file each; found through the entry points ``labelvalue.models``."""
