"""The tracking server, or the database in its place: whether it can be used, how it is repaired, and how it is served."""
