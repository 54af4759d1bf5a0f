"""Rows of one table as a file for others, one module per form, all streamed. Not here: which rows, and where the file goes."""
