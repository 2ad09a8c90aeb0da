"""What the sheet says, in the languages that it can be had in."""

from collections.abc import Mapping
from types import MappingProxyType

Words = Mapping[str, str]

WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "en": {
            "title": "Rubber tile: colour mix",
            "scale": "Granules of {granule} mm on average; the picture shows {width} × {height} mm.",
            "surface": "Surface of one tile, without joints",
            "grid": "Laying: grid at {angle}°",
            "brick": "Laying: brick bond at {angle}°",
            "herringbone": "Laying: herringbone at {angle}°",
            "hexagon": "Laying: hexagons at {angle}°",
            "puzzle": "Laying: interlocking tiles at {angle}°",
            "code": "Code",
            "english": "Colour",
            "russian": "In Russian",
            "share": "Share",
            "hex": "sRGB",
            "seed": "Seed {seed}",
            "mm": "mm",
        },
        "ru": {
            "title": "Резиновая плитка: состав по цветам",
            "scale": "Гранулы в среднем {granule} мм; на картинке {width} × {height} мм.",
            "surface": "Поверхность одной плитки, без швов",
            "grid": "Укладка: сетка под углом {angle}°",
            "brick": "Укладка: вразбежку под углом {angle}°",
            "herringbone": "Укладка: ёлочкой под углом {angle}°",
            "hexagon": "Укладка: шестиугольниками под углом {angle}°",
            "puzzle": "Укладка: плитки с замковыми краями под углом {angle}°",
            "code": "Код",
            "english": "По-английски",
            "russian": "Цвет",
            "share": "Доля",
            "hex": "sRGB",
            "seed": "Номер (seed) {seed}",
            "mm": "мм",
        },
    }
)


def figure(value: float, language: str, decimals: int = 2) -> str:
    """A number without needless zeros, with the decimal mark of the language."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return text.replace(".", ",") if language == "ru" else text
