"""What is asked of Ray besides `ray.init`: whether one answers at an address, its job server, and what has no public form."""
