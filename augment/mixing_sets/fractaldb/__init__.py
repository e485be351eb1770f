"""FractalDB."""
