"""Their sentences."""
