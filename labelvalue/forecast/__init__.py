"""From the posterior to gains: pure functions on draws."""
