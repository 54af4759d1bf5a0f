"""Scripts of SQL Server: T-SQL text as Management Studio, sqlcmd or people write it."""
