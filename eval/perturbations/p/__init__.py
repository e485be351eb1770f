"""The perturbations of CIFAR-10-P and ImageNet-P."""
