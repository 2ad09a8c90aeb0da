"""The command line: commands, what they print, exit status, signals.

Imports everything below it; only `plitka.__main__` imports it.
"""
