"""What is done with benchmarks: choosing, asking before a run, evaluating, and computing again."""
