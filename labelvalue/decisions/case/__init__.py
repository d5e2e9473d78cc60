"""The case: value, costs, risk, guardrails."""
