"""Many requests at once: a table or a rule in, a catalogue of pictures out, by one of several runners.

May import everything below it: `generation`, `engines`, `results`, `output`, `request`, `colors`, `files`.
"""
