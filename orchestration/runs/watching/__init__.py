"""`watch`: one live screen of a sweep, read from the storage alone."""
