"""Forecasts scored on runs held out."""
