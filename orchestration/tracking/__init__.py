"""MLflow as a projection of the results store that can be replayed; nothing here is the truth."""
