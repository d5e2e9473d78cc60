"""Where runs come from: the runs table, and simulation on the user's own data."""
