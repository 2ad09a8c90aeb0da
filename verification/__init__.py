"""The standard scenarios, and the check of a real model by whoever has its weights and a GPU."""
