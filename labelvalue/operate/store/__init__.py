"""What a project keeps: ledger, records, files, settings."""
