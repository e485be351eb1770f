"""Where work runs, with how much, and where files are stored."""
