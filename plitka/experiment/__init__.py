"""Experiments: fields of a request crossed, every cell drawn and measured, the best one named if it is one.

May import everything from `generation` down; not the server.
"""
