"""What an expression of PromQL names: metrics, labels in braces, labels that it groups by."""

import re

SELECTOR = re.compile(r"\b(plitka_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|ignoring|on)\s*\(([^)]*)\)")
# What Prometheus and Grafana add themselves.
OWN_LABELS = {"instance"}


def selectors(expression):
    """Each metric with its matchers: label, operator, pattern."""
    return [(name, MATCHER.findall(inside)) for name, inside in SELECTOR.findall(expression)]


def grouped_labels(expression):
    return {label.strip() for inside in GROUPED.findall(expression) for label in inside.split(",")}


def words_of(operator, pattern):
    """The words that a matcher names."""
    return pattern.split("|") if "~" in operator else [pattern]
