"""A heap of table dumps in, a PostgreSQL warehouse out: versions, latest state, proven backups, every reject with its reason."""

__version__ = "0.1.0"
