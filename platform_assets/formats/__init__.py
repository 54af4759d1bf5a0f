"""Bytes to Arrow: one file per format. A reader yields events (formats.base) and never writes anything."""
