"""The tables people query: names, bulk copy, version tables, the latest state, and the protocol by which they are written."""
