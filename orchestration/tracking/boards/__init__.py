"""Second trackers next to MLflow: Weights & Biases and TensorBoard show the same runs; nothing here is the truth."""
