"""Page, terminal and images."""
