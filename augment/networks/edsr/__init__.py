"""EDSR, the super-resolution network of DeepAugment."""
