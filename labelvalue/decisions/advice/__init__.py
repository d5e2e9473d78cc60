"""One decision: rules, verdict, `decide`."""
