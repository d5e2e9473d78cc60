"""Exports of annotation tools, each read as a stream and turned into judgements."""
