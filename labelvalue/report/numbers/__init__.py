"""Numbers of tables and pages."""
