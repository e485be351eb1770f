"""Mixing sets: the images that PixMix mixes into training images, rendered or read once and shared by a node's workers."""
