"""The corruptions of MNIST-C."""
