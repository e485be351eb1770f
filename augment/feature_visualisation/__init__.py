"""Feature visualisation: images that excite the layers of a network."""
