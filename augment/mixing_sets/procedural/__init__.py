"""What the procedural mixing sets share."""
