"""PixMix."""
