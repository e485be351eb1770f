"""What runs on a worker: one job, or a group that takes one job after another."""
