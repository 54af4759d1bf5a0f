"""Rows in files: Avro parts under a manifest that proves them, as snapshots, latest states, backups and JSON."""
