"""A learning curve: law, labels, noise, discrepancy, and its log-likelihood."""
