"""Code on a cluster: what a submitted job uploads, and whose packages a process imports."""
