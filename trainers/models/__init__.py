"""Networks: what they are (light) and how they are built; normalisation is their first layer."""
