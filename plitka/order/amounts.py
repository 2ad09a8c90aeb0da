"""Kilograms and bags of each colour of a mix, for an area of a thickness.

Whole grams and shares in billionths, and in floating point only single operations in a fixed order: the web
page computes the same in JavaScript (`plitka/server/page/parts/amounts.js`) and gets the same grams.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plitka.colors.mix import Mix
from plitka.colors.palette import palette_in_use
from plitka.order.material import Material, material_of
from plitka.request.order import DEFAULT_BINDER_PERCENT, DEFAULT_WASTE_PERCENT, OrderFields

# Parts of the whole in which shares by area are counted.
SHARE_PARTS = 10**9


@dataclass(frozen=True)
class OrderLine:
    """What is to be ordered of one colour.

    Attributes:
        id: The palette code, or ``#RRGGBB`` for a colour that no granule of the palette has.
        name: What it is called, such as ``RAL 3020``; empty for a colour that has a hex alone.
        hex: Mean sRGB, ``#RRGGBB``.
        share: Share of the visible area, above 0 and at most 1.
        mass_share: Share of the mass of all granules.
        material: Its granules.
        grams: Waste included.
        bags: Whole bags that hold so many grams.
    """

    id: str
    name: str
    hex: str
    share: float
    mass_share: float
    material: Material
    grams: int
    bags: int

    @property
    def litres(self) -> float | None:
        """Volume as poured, for who measures by buckets; None where the palette has no bulk density."""
        bulk = self.material.bulk_kg_m3
        return None if bulk is None else round(self.grams / bulk, 1)

    @property
    def has_granule(self) -> bool:
        """False for a colour that is to be made to order."""
        return not self.id.startswith("#")

    @property
    def price(self) -> float | None:
        """Price of the bags, which are sold whole; None where the palette has none."""
        if self.material.price_per_kg is None:
            return None
        return rounded(self.bags * grams_of(self.material.bag_kg) * self.material.price_per_kg / 10) / 100


@dataclass(frozen=True)
class Order:
    """What is to be ordered for a mix.

    Attributes:
        area_m2: Area to be laid.
        thickness_mm: Thickness of the layer of this mix.
        waste_percent: Per cent of the laid granules that are ordered beyond them.
        binder_percent: Binder in per cent of the ordered granules' mass.
        lines: One per colour, in the mix's order; their grams sum to `grams`.
        grams: Of all granules, waste included.
        binder_grams: Of the binder.
        currency: Of the prices; None where the palette has none.
    """

    area_m2: float
    thickness_mm: float
    waste_percent: float
    binder_percent: float
    lines: tuple[OrderLine, ...]
    grams: int
    binder_grams: int
    currency: str | None = None

    @property
    def bags(self) -> int:
        """Bags of all colours."""
        return sum(line.bags for line in self.lines)

    @property
    def price(self) -> float | None:
        """Price of all bags; None unless every colour has one."""
        prices = [line.price for line in self.lines if line.price is not None]
        return round(sum(prices), 2) if len(prices) == len(self.lines) else None


def order_of(mix: Mix, fields: OrderFields) -> Order:
    """Compute the order of a mix.

    Shares by area are taken as shares of the rubber's volume, as those of granules of one grading are. With
    shares a, density d and laid density l of each colour: shares of the mass w = a·d / Σ a·d, granules
    m = area · thickness / Σ (w / l), ordered m · (1 + waste), divided by w into whole grams by largest
    remainder; the earlier colour wins a tie.
    """
    materials = [material_of(color, fields) for color in mix]
    waste = DEFAULT_WASTE_PERCENT if fields.waste_percent is None else fields.waste_percent
    binder = DEFAULT_BINDER_PERCENT if fields.binder_percent is None else fields.binder_percent
    weights = [
        rounded(color.share * SHARE_PARTS) * grams_of(material.density_kg_m3)
        for color, material in zip(mix, materials, strict=True)
    ]
    room = 0.0
    for weight, material in zip(weights, materials, strict=True):
        room += weight / material.laid_kg_m3
    laid_kg = fields.area_m2 * fields.thickness_mm / 1000 * (sum(weights) / room)
    grams = grams_of(laid_kg * (1 + waste / 100))
    lines = tuple(
        OrderLine(
            color.id,
            color.name,
            color.hex,
            color.share,
            weight / sum(weights),
            material,
            part,
            -(-part // grams_of(material.bag_kg)),
        )
        for color, material, weight, part in zip(
            mix, materials, weights, divided(grams, weights), strict=True
        )
    )
    return Order(
        area_m2=fields.area_m2,
        thickness_mm=fields.thickness_mm,
        waste_percent=waste,
        binder_percent=binder,
        lines=lines,
        grams=grams,
        binder_grams=rounded(grams * binder / 100),
        currency=palette_in_use().currency,
    )


def divided(total: int, weights: list[int]) -> list[int]:
    """Divide a whole number in proportion to weights, exactly, by largest remainder."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def grams_of(kilograms: float) -> int:
    """Whole grams of kilograms, as :func:`rounded`."""
    return rounded(kilograms * 1000)


def rounded(number: float) -> int:
    """The nearest whole number of one that is not negative; a half goes up, as in JavaScript."""
    return math.floor(number + 0.5)
