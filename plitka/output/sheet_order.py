"""The order as it stands on the sheet: columns beside those of the mix, and sentences below."""

from plitka.order.amounts import Order
from plitka.order.report import kilograms
from plitka.output.sheet_words import WORDS, figure, in_language

# Of areas, thicknesses, per cent and bags.
_DECIMALS = 4


def order_columns(order: Order, language: str) -> tuple[tuple[str, float, tuple[str, ...]], ...]:
    """Title, width in mm and texts of the columns of kilograms, bags, and prices where any colour has one."""
    words, lines = WORDS[language], order.lines
    kg = tuple(in_language(kilograms(line.grams), language) for line in lines)
    bags = tuple(
        f"{line.bags} × {figure(line.material.bag_kg, language, _DECIMALS)} {words['kg']}" for line in lines
    )
    columns = ((words["kg"], 20.0, kg), (words["bags"], 21.0, bags))
    if all(line.price is None for line in lines):
        return columns
    prices = tuple("–" if line.price is None else _price(line.price, language) for line in lines)
    title = f"{words['price']}, {order.currency}" if order.currency else words["price"]
    return (*columns, (title, 13.0, prices))


def order_sentences(order: Order, language: str) -> tuple[str, ...]:
    """What is ordered, in two lines, and the price of it all if it is known."""
    words = WORDS[language]
    given = {name: getattr(order, name) for name in ("area_m2", "thickness_mm", "waste_percent")}
    asked = {name: figure(value, language, _DECIMALS) for name, value in given.items()}
    needed = words["order_kg"].format(
        kg=in_language(kilograms(order.grams), language),
        bags=order.bags,
        binder_percent=figure(order.binder_percent, language, _DECIMALS),
        binder_kg=in_language(kilograms(order.binder_grams), language),
    )
    sentences = words["order"].format(**asked), needed
    if order.price is None:
        return sentences
    price = words["order_price"].format(price=_price(order.price, language), currency=order.currency or "")
    return (*sentences, price.rstrip())


def _price(price: float, language: str) -> str:
    return in_language(f"{price:.2f}", language)
