"""JSON documents and JSON lines as tables, exact to the digit."""
