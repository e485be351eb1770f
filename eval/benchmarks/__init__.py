"""The benchmarks: what each runs, what it costs, what its files are."""
