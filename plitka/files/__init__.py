"""Files that are whole or as they were, and temporary folders that go with their process.

Imports `errors` only.
"""
