"""Metric values to tables: statistics, layout, rendering, and comparison with published numbers."""
