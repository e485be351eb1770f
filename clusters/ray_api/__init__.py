"""What is asked of Ray besides `ray.init`: how it is to run, whether one answers at an address, its job server, and what has no
public form."""
