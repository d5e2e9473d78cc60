"""Projects: batches in, re-fits out, past forecasts scored, and a trail of it all."""
