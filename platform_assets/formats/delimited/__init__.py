"""Delimited text of any dialect, exact to the byte, at the speed of Arrow's parser."""
