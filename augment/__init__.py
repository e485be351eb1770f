"""Pixels to pixels: treatments of training pictures and the mixing sets they draw from."""
