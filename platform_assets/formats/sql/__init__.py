"""What the readers of SQL text share: tokens, statements, rows, tables. No dialect is known here, and no dialect imports from another."""
