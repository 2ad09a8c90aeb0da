"""Base models and ControlNets as files: which kind each is, whether it can be drawn with, loading it."""
