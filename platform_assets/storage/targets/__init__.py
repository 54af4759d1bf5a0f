"""Other people's databases that tables are copied into: PostgreSQL, MySQL, MariaDB, SQLite, SQL Server."""
