"""Tables, comparisons, claims and reports from recorded results."""
