"""Checkout: turns a basket into an order."""

from dataclasses import dataclass

FREE_SHIPPING_FROM_CENTS = 5_000
SHIPPING_CENTS = 490


@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int
    price_cents: int


def total_cents(lines: list[Line]) -> int:
    """The amount to pay, shipping included."""
    goods = sum(line.quantity * line.price_cents for line in lines)
    # TODO: shipping by weight, anvils are not letters
    return goods if goods >= FREE_SHIPPING_FROM_CENTS else goods + SHIPPING_CENTS
