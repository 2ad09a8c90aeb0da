"""The command line: commands, what they print, exit status, signals.

Imports everything below it; nothing imports it.
"""
