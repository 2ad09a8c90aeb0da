"""What granules weigh and how they are packed, of each colour: the order's, the palette's, or the usual."""

from __future__ import annotations

from dataclasses import dataclass

from plitka.colors.mix import MixColor
from plitka.colors.palette import palette_in_use
from plitka.request.order import OrderFields

# Kilograms per cubic metre. Rubber: filled EPDM has 1500 to 1600. Laid: 1.0 to 1.2 kg per square metre and
# millimetre are usual. docs/order.md says where the figures come from.
DEFAULT_DENSITY_KG_M3 = 1550.0
DEFAULT_LAID_KG_M3 = 1100.0
DEFAULT_BAG_KG = 25.0


@dataclass(frozen=True)
class Material:
    """The granules of a colour.

    Attributes:
        density_kg_m3: Of the rubber itself, without the gaps between granules.
        laid_kg_m3: Granules in a cubic metre of finished layer of this colour alone, binder not counted.
        bag_kg: What a bag holds.
        bulk_kg_m3: Of the granules as poured; None if it is not known.
        price_per_kg: In the palette's currency; None if it has no price.
    """

    density_kg_m3: float
    laid_kg_m3: float
    bag_kg: float
    bulk_kg_m3: float | None = None
    price_per_kg: float | None = None


def material_of(color: MixColor, fields: OrderFields) -> Material:
    """The granules of a colour: what the order says holds for all of them, then what the palette says.

    A colour whose laid density is not known fills a layer with as much rubber as others do: a heavier rubber
    weighs more in it.
    """
    known = palette_in_use().get(color.id)
    density = fields.density_kg_m3 or (known and known.density_kg_m3) or DEFAULT_DENSITY_KG_M3
    usual = DEFAULT_LAID_KG_M3 * density / DEFAULT_DENSITY_KG_M3
    return Material(
        density_kg_m3=density,
        laid_kg_m3=fields.laid_kg_m3 or (known and known.laid_kg_m3) or usual,
        bag_kg=fields.bag_kg or (known and known.bag_kg) or DEFAULT_BAG_KG,
        bulk_kg_m3=known.bulk_kg_m3 if known else None,
        price_per_kg=known.price_per_kg if known else None,
    )
