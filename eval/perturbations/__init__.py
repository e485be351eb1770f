"""Sequences of slightly changing pictures: the generator of benchmark P for any dataset."""
