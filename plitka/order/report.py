"""An order as a JSON-ready document and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from plitka.colors.palette import palette_in_use
from plitka.order.amounts import Order, OrderLine

CSV_HEADER = (
    "kind", "code", "name", "name_ru", "hex", "area_percent", "mass_percent",
    "kg", "bags", "bag_kg", "litres", "price",
)  # fmt: skip
# What a row of the CSV is about.
GRANULES, TO_ORDER, BINDER = "granules", "to_order", "binder"


def order_report(order: Order) -> dict[str, Any]:
    """What the metric `order`, `--json` and a `.json` file say; plain JSON types."""
    return {
        "area_m2": order.area_m2,
        "thickness_mm": order.thickness_mm,
        "waste_percent": order.waste_percent,
        "binder_percent": order.binder_percent,
        "colors": [_line_report(line) for line in order.lines],
        "kg": order.grams / 1000,
        "bags": order.bags,
        "binder_kg": order.binder_grams / 1000,
        "price": order.price,
        "currency": order.currency,
    }


def _line_report(line: OrderLine) -> dict[str, Any]:
    material = line.material
    return {
        "id": line.id,
        "name": line.name,
        "hex": line.hex,
        "has_granule": line.has_granule,
        "share": line.share,
        "mass_share": line.mass_share,
        "density_kg_m3": material.density_kg_m3,
        "laid_kg_m3": material.laid_kg_m3,
        "kg": line.grams / 1000,
        "bags": line.bags,
        "bag_kg": material.bag_kg,
        "litres": line.litres,
        "price_per_kg": material.price_per_kg,
        "price": line.price,
    }


def order_csv(order: Order) -> str:
    """A table with a header, commas between columns and decimal points; a row per colour, then the binder."""
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(CSV_HEADER)
    for line in order.lines:
        color = palette_in_use().get(line.id)
        table.writerow(
            (
                GRANULES if line.has_granule else TO_ORDER,
                line.id,
                color.english if color else "",
                color.russian if color else "",
                line.hex,
                f"{100 * line.share:.4f}",
                f"{100 * line.mass_share:.4f}",
                kilograms(line.grams),
                line.bags,
                f"{line.material.bag_kg:g}",
                "" if line.litres is None else f"{line.litres:.1f}",
                "" if line.price is None else f"{line.price:.2f}",
            )
        )
    table.writerow((BINDER, *[""] * 6, kilograms(order.binder_grams), "", "", "", ""))
    return file.getvalue()


def kilograms(grams: int) -> str:
    """Kilograms to the gram, with a decimal point."""
    return f"{grams // 1000}.{grams % 1000:03}"
