"""Annotations: read from tools' exports, checked, summed."""
