"""The results store: the truth about what was computed."""
