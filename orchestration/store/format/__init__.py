"""The file format of the results store."""
