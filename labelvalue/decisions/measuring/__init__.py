"""What is worth measuring first."""
