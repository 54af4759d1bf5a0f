"""The outside world: home folder, stored files, the embedded server, catalog and warehouse."""
