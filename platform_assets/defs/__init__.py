"""Everything of Dagster lives here and in definitions.py, and nowhere else."""
