"""The built-in sweeps: the YAML files of this folder, one per published table."""
