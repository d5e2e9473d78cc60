"""A project over time: scorecard, changes, trail."""
