"""Harder versions of test pictures: generators of C, C-bar and MNIST-C for any dataset."""
