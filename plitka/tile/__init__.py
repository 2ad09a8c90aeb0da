"""The plan of a tile (granules, joints, colours) and its pictures: colour map, control image, swatch.

Imports `request`, `colors`, `choices`.
"""
