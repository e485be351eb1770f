"""`dreamgrid data`."""
