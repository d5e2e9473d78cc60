"""What plans bring and cost, draw by draw."""
