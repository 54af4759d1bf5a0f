"""Folders of `mysqldump --tab`: definitions as SQL, rows as delimited text that the server itself wrote."""
