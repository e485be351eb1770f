"""Predictions to numbers to tables; images to harder images."""
