"""Which items to label next, and the files that annotation tools import them from."""
