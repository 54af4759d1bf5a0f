"""Dumps of PostgreSQL: SQL text of pg_dump, pg_dumpall and hand-made scripts, and pg_dump's archives."""
