"""Harder versions of test images: generators of C, C-bar and MNIST-C for any dataset."""
