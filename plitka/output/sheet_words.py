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
            "kg": "kg",
            "bags": "Bags",
            "price": "Price",
            "to_order": "to be made",
            "order": "For {area_m2} m², {thickness_mm} mm thick, with {waste_percent} % waste:",
            "order_kg": "{kg} kg of granules in {bags} bags; {binder_kg} kg of binder ({binder_percent} %).",
            "order_price": "All bags of granules: {price} {currency}",
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
            "kg": "кг",
            "bags": "Мешки",
            "price": "Цена",
            "to_order": "под заказ",
            "order": "На {area_m2} м², толщина {thickness_mm} мм, с запасом {waste_percent} %:",
            "order_kg": "гранулы {kg} кг, мешков {bags}; связующее {binder_kg} кг ({binder_percent} %).",
            "order_price": "Все мешки гранул: {price} {currency}",
            "seed": "Номер (seed) {seed}",
            "mm": "мм",
        },
    }
)


def figure(value: float, language: str, decimals: int = 2) -> str:
    """A number without needless zeros, with the decimal mark of the language."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return in_language(text, language)


def in_language(text: str, language: str) -> str:
    """A number as text with a point, with the decimal mark of the language."""
    return text.replace(".", ",") if language == "ru" else text
