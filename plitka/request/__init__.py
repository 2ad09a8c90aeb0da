"""From text to one checked `TileRequest` and its prompt, or one error with every problem.

Imports `colors`, `choices`, `errors`.
"""
