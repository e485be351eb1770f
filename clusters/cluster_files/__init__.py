"""Cluster files: checked against their schemas before anything is rented."""
