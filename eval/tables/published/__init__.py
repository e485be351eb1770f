"""Published numbers as data, with their sources and known inconsistencies."""
