"""Dead leaves."""
