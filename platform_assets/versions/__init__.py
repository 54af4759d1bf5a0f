"""The history of a heap as pure logic: keys, order, merge. Knows no file and no database."""
