"""Mixing sets: the pictures that PixMix mixes into training pictures, rendered or read once and shared by a node's workers."""
