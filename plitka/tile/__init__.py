"""The tile that is planned: granules, joints, colours, and its pictures: colour map, control image, swatch.

Imports `request`, `colors`, `choices`.
"""
