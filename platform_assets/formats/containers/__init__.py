"""From a path to the members of a dump: folders, ZIP, compressed streams, and the bounds that stop bombs."""
