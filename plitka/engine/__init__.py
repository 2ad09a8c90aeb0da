"""What an engine is, and `render`, which needs no model.

Imports `tile`, `request`, `device` and what lies below.
"""
