"""What better labels, learners and evaluation bring."""
