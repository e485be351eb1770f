"""Images of an untrained StyleGAN."""
