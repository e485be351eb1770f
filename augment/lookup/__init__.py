"""Names to things, and plain values to typed parameters: one copy for every kind."""
