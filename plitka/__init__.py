"""Plitka Pro: pictures of pressed rubber tiles with exactly the colour mix that was asked for."""

__version__ = "1.1.0"
