"""What is to be run, what is missing, what it costs."""
