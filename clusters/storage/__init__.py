"""Storage behind one contract: a local folder, S3."""
