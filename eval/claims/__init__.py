"""The papers' sentences as predicates over tables: published numbers or our own."""
