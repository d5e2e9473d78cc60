"""Models of annotators: label noise, consensus, seconds a label."""
