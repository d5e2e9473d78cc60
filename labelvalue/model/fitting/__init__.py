"""The public fit, and what is asked of one."""
