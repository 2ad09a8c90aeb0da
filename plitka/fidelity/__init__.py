"""Shares and colours of a finished picture: measured with and without the plan, corrected if they are off.

Imports `tile`, `request`, `colors`.
"""
