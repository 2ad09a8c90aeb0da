"""How the names of colours are compared."""

import re
import unicodedata

_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def fold(name: str) -> str:
    """Normalise the spelling of a name: no case, ё as е, no spaces, hyphens or underscores."""
    text = unicodedata.normalize("NFKC", name).casefold().replace("ё", "е")
    return "".join(
        char for char in text if not (char.isspace() or unicodedata.category(char) in ("Pd", "Pc"))
    )


def is_russian(name: str) -> bool:
    """Whether a name is written in Russian: whether it has a Cyrillic letter."""
    return bool(_CYRILLIC.search(name))
