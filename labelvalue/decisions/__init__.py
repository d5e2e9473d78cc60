"""From gains to money, risk and a plan."""
