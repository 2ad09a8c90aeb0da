"""Finished files: encoding, the request that they carry, metrics, and pictures of the plan.

Imports `engine`, `fidelity`, `tile`, `request`, `device` and what lies below.
"""
