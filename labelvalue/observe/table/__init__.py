"""The runs table: read, checked, written."""
