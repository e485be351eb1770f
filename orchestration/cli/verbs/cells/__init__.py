"""`dreamgrid cells`."""
