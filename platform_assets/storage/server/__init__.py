"""The PostgreSQL server: the embedded one with its supervisor, one's own by URL, and connections to either."""
