"""Parquet and Arrow files, whose columns carry their types."""
