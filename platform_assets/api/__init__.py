"""The HTTP service: FastAPI over the operations. No SQL, no Dagster; what is decided here is HTTP alone."""
