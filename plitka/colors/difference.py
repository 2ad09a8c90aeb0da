"""Colours as hex and CIELAB (D65), and how far apart they are.

coloraide takes a third of the time in which the command starts, and what draws nothing never needs it: it is
imported where it is used.
"""

import re

Lab = tuple[float, float, float]

_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{6})", re.ASCII)


def canonical_hex(hex_color: str) -> str:
    """Bring ``a63437`` or ``#a63437`` to ``#A63437``.

    Raises:
        ValueError: The text is not six hexadecimal digits, with or without ``#``.
    """
    match = _HEX_COLOR.fullmatch(hex_color.strip())
    if match is None:
        raise ValueError(f"{hex_color!r} is not a hex colour such as #A63437")
    return f"#{match[1].upper()}"


def hex_to_lab(hex_color: str) -> Lab:
    """Convert an sRGB hex colour to CIELAB (D65). Raises ValueError as :func:`canonical_hex` does."""
    from coloraide import Color

    lightness, a, b = Color(canonical_hex(hex_color)).convert("lab-d65").coords()
    return (lightness, a, b)


def lab_to_hex(lab: Lab) -> str | None:
    """The sRGB hex colour of a CIELAB (D65) colour; None where sRGB cannot show it."""
    from coloraide import Color

    color = Color("lab-d65", lab).convert("srgb")
    # Half a level of 8 bits, which rounding takes.
    if not color.in_gamut(tolerance=0.5 / 255):
        return None
    return f"#{bytes(round(255 * min(max(value, 0.0), 1.0)) for value in color.coords()).hex().upper()}"


def delta_e00(lab_a: Lab, lab_b: Lab) -> float:
    """Colour difference of two CIELAB (D65) colours by CIEDE2000, all weights 1."""
    from coloraide import Color

    return float(Color("lab-d65", lab_a).delta_e(Color("lab-d65", lab_b), method="2000"))
