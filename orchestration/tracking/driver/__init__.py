"""The driver's side: what a run reports becomes messages, and these reach the writers."""
