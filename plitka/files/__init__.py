"""Atomic writing of files, and temporary folders that are removed with their process.

Imports `settings`, `errors`.
"""
