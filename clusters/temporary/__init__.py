"""Temporary files: whose they are, where they stand, and how those of ended processes are collected."""
