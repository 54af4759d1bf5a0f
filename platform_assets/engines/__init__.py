"""Where the heavy SQL runs."""
