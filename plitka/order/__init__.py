"""From a mix and an area to kilograms and bags of each colour.

Imports `request`, `colors` and what lies below.
"""
