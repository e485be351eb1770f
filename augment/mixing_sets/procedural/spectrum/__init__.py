"""Images drawn from a model of natural spectra."""
