"""The driver's side of a run: attempts, leases, packing, recording."""
