"""Sequences of slightly changing images: the generator of benchmark P for any dataset."""
