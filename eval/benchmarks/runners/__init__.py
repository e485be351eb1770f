"""The protocols behind the benchmarks: each takes its parameters and a subject and returns an outcome."""
