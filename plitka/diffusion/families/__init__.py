"""Families of base models, one module each: all that differs between them, as data.

These modules import diffusers and, of this package, only what needs no weights. A family that is read, fed
or decoded in its own way names functions for it, which import what they need when they are called.
"""
