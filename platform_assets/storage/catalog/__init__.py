"""What is known of dumps, versions, tables, rejects and backups: the schema `catalog`."""
