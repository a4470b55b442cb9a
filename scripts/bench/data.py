"""The rows: the mix of a shop, with short rows, long texts, JSON and binaries."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

WORDS = [
    *("order", "customer", "street", "invoice", "shipped", "pending", "blue", "green", "large", "small"),
    *("cotton", "wool", "paper", "glass", "steel", "north", "south", "river", "mountain", "market", "garden"),
    *("winter", "summer", "express", "standard", "returned", "paid", "open", "closed", "delayed", "gift"),
    *("Straße", "München", "Örebro", "naïve", "café", "東京", "данные"),
    *("it's", "don't", "3;", "&amp;", "(new)", "-", "well-known"),
]


TABLES = {
    "orders": "id bigint primary key, customer int, state varchar(10), total decimal(10,2), "
    "at timestamp, note text",
    "articles": "id bigint primary key, title text, body text, detail json",
    "files": "id bigint primary key, content {binary}",
}
INDEXES = ("create index orders_customer on orders (customer)", "create index orders_at on orders (at)")
SHARES = {"orders": (0.45, 105), "articles": (0.40, 2_000), "files": (0.15, 1_250)}
"""Share of the whole, and roughly the bytes of a row."""


def rows(kind: str, count: int) -> Iterator[str]:
    """Give tab-separated rows, the same in every run: the mix of a shop with texts, JSON and binaries."""
    dice = random.Random(f"{kind} 1")
    for number in range(1, count + 1):
        words = " ".join(dice.choices(WORDS, k=dice.randint(3, 12)))
        if kind == "orders":
            yield (
                f"{number}\t{dice.randint(1, 50_000)}\t{dice.choice(('new', 'paid', 'sent'))}\t"
                f"{dice.random() * 900:.2f}\t20{dice.randint(10, 26)}-{dice.randint(1, 12):02}-"
                f"{dice.randint(1, 28):02} {dice.randint(0, 23):02}:{dice.randint(0, 59):02}:07\t{words}\n"
            )
        elif kind == "articles":
            text = "\\n".join(
                " ".join(dice.choices(WORDS, k=dice.randint(20, 80))) for _ in range(dice.randint(2, 6))
            )
            detail = json.dumps(
                {"tags": dice.choices(WORDS[:20], k=4), "weight": number % 997, "note": words}
            )
            detail = detail.replace("\\", "\\\\")
            yield f"{number}\t{words}\t{text}\t{detail}\n"
        else:
            yield f"{number}\t{dice.randbytes(dice.randint(40, 1_200)).hex()}\n"
