"""The engine: bring every cell of a plan to completion on Ray, and record what comes of it."""
