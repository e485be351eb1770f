"""Evaluating one network outside of sweeps."""
