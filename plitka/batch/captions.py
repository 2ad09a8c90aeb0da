"""What stands below a picture, and the words of sheets, PDF and page, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plitka.batch.index import Entry
from plitka.colors.mix import MixColor
from plitka.colors.palette import palette_in_use
from plitka.output.sheet_words import figure

Words = Mapping[str, str]
WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "en": {
            "title": "Rubber tiles: catalogue",
            "page": "{page} of {pages}",
            "search": "Name or colour",
            "like": "Looks like",
            "with": "Contains",
            "any": "any colour",
            "off": "Off",
            "sort": "Order",
            "byTable": "as in the table",
            "byLightness": "by lightness",
            "byHue": "by hue",
            "shown": "{shown} of {all} tiles",
            "none": "No tile has that. Take something away from the search.",
            "open": "Open the picture",
            "before": "Previous",
            "after": "Next",
            "close": "Close",
            "mean": "From afar",
            "error": "Share error",
            "points": "{value} pp",
            "seed": "Seed",
            "pick": "Colour to look for",
            "far": "ΔE00 {value}",
        },
        "ru": {
            "title": "Резиновая плитка: каталог",
            "page": "{page} из {pages}",
            "search": "Название или цвет",
            "like": "Похожа на",
            "with": "Содержит",
            "any": "любой цвет",
            "off": "Сбросить",
            "sort": "Порядок",
            "byTable": "как в таблице",
            "byLightness": "по светлоте",
            "byHue": "по тону",
            "shown": "{shown} из {all}",
            "none": "Такой плитки нет. Уберите что-нибудь из поиска.",
            "open": "Открыть картинку",
            "before": "Назад",
            "after": "Вперёд",
            "close": "Закрыть",
            "mean": "Издалека",
            "error": "Ошибка доли",
            "points": "{value} п. п.",
            "seed": "Номер (seed)",
            "pick": "Искомый цвет",
            "far": "ΔE00 {value}",
        },
    }
)


def color_word(color: MixColor, language: str) -> str:
    """What a colour of a mix is called in a language; its own name or hex outside the palette."""
    known = palette_in_use().get(color.id)
    if known is None:
        return color.name or color.hex
    return known.russian if language == "ru" else known.english


def parts(entry: Entry, language: str) -> tuple[str, ...]:
    """The mix in words, one part for each colour: ``60 % black``."""
    return tuple(
        f"{figure(100 * color.share, language)} % {color_word(color, language)}"
        for color in entry.item.request.mix
    )


def title_of(entry: Entry) -> str:
    """What a row calls its tile; empty where the name is made of the mix."""
    return "" if entry.item.is_named_by_mix else entry.item.name
