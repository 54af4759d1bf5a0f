"""SQLite: SQL text (reader) and database files (database)."""
