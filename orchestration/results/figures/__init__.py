"""Figures of a sweep as files for papers and slides, drawn by Matplotlib from what the report shows."""
