"""One training of one network: data, network, loop, checkpoint."""
