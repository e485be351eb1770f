"""Folders of images: which files belong to one, what identifies them, and how a file becomes pixels."""
