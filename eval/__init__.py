"""Predictions to numbers to tables; pictures to harder pictures."""
