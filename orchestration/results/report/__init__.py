"""The report of a sweep: one HTML file that needs neither network nor server."""
