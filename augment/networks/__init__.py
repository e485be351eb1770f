"""The networks that methods train or load."""
