"""Pixels to pixels: treatments of training images and the mixing sets they draw from."""
