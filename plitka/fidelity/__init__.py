"""How well a picture keeps its mix: measured against the plan and without it, and corrected where it misses.

Imports `tile`, `request`, `colors`.
"""
