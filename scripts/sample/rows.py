"""The rows of the shop: realistic, awkward, and the same every time."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

CUSTOMERS = 600
PRODUCTS = 400
ORDERS = 2000

NAMES = (
    "Åsa Öberg", "Jürgen Größmann", "Zoë Désirée Núñez", "Łukasz Żółć", "Σωκράτης Παπαδόπουλος",
    "Ирина Щукина", "محمد الخوارزمي", "שרה לוי", "अनन्या शर्मा", "สมชาย ใจดี", "王小明", "山田 太郎", "김민준",
    "ნინო ბერიძე", "አበበ ቢቂላ", "Nguyễn Thị Hồng", "Þórdís Ægisdóttir", "O'Brien \"Bob\" \\ Sons",
    "👩‍👩‍👧‍👦 Family 🇸🇪", "e\u0301 combined",
)  # fmt: skip
AWKWARD = (
    "", " ", "plain", "it's \"quoted\" `ticked`", "back\\slash \\n \\N \\. \\", "two\nlines",
    "dos\r\nlines", "tab\there", "-- no comment", "/* neither */ this", "/*!50001 nor this */",
    "DELIMITER ;;", "a; b; c;", "$$ $body$ $1", "%s %(x)s 100 %", "\\.", "\\N", "COPY t FROM stdin;",
    "\u2028\u2029\ufeff\u200b", "\x01\x02\x1b[31m", "🐘🐬🦭", "\\! ls", "),(", "');--", "NULL",
    "x" * 5000, "ä漢🙂" * 700, "\\'\\\\'", "\x7f\x80\x9f",
)  # fmt: skip
CITIES = (
    ("Örebro", "SE", 59.27, 15.21),
    ("København", "DK", 55.68, 12.57),
    ("Zürich", "CH", 47.37, 8.54),
    ("Łódź", "PL", 51.76, 19.46),
    ("東京", "JP", 35.68, 139.69),
    ("Αθήνα", "GR", 37.98, 23.73),
)
METHODS = ("card", "invoice", "swish", "cash")
STATES = ("new", "paid", "sent", "returned")
PRODUCT_STATES = ("draft", "for sale", "sold out", "withdrawn")
KINDS = ("private", "company", "öffentlich", "it's, odd")


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit string."""

    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A place."""

    x: float
    y: float


Value = None | int | float | str | bytes | Decimal | date | datetime | Bits | Point


@dataclass(frozen=True, slots=True)
class Table:
    """Some columns of a table, and rows for them."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[Value, ...]]


def tables() -> Iterator[Table]:
    """Give all tables in an order that foreign keys allow. Names are those of the shop on every flavour."""
    dice = random.Random("vya shop")
    yield Table("categories", ("id", "parent_id", "name", "position"), _categories())
    yield Table(
        "customers",
        (
            "id",
            "email",
            "name",
            "language",
            "kind",
            "born",
            "credit",
            "flags",
            "preferences",
            "registered",
            "changed",
        ),
        _customers(dice),
    )
    yield Table(
        "addresses", ("customer_id", "number", "street", "city", "country", "place"), _addresses(dice)
    )
    yield Table(
        "products",
        (
            "id",
            "category_id",
            "sku",
            "title",
            "description",
            "price",
            "vat_rate",
            "weight",
            "attributes",
            "state",
        ),
        _products(dice),
    )
    yield Table("product_images", ("product_id", "number", "content", "thumbnail", "digest"), _images(dice))
    yield Table(
        "orders",
        ("id", "customer_id", "placed", "state", "delivery_customer_id", "delivery_number", "note", "total"),
        _orders(dice),
    )
    yield Table("order_items", ("order_id", "line", "product_id", "quantity", "price"), _items(dice))
    yield Table("payments", ("id", "order_id", "paid_on", "amount", "method"), _payments(dice))
    yield Table("visits", ("at", "visitor", "page"), _visits(dice))


def _categories() -> Iterator[tuple[Value, ...]]:
    for number in range(1, 41):
        yield number, None if number <= 5 else (number - 1) // 8 + 1, f"Kategorie {number} — 分類", number % 7


def _customers(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    start = datetime(2020, 1, 1)
    for number in range(1, CUSTOMERS + 1):
        name = AWKWARD[number % len(AWKWARD)][:190] if number % 10 == 0 else NAMES[number % len(NAMES)]
        preferences = {
            "newsletter": number % 3 == 0,
            "tags": [name[:20], None, number],
            "größe": {"cm": 170 + number % 30},
        }
        moment = start + timedelta(
            seconds=dice.randrange(150_000_000), microseconds=dice.randrange(1_000_000)
        )
        yield (
            number,
            f"customer{number}@{('example.org', 'example.net', 'example.com')[number % 3]}",
            name,
            ("sv", "de", "ja", "en")[number % 4],
            KINDS[0] if number % 5 else KINDS[number // 5 % 4],
            None if number % 7 == 0 else date(1930, 1, 1) + timedelta(days=dice.randrange(28_000)),
            Decimal(dice.randrange(-90_000, 9_999_999)).scaleb(-2),
            Bits(f"{dice.randrange(4096):012b}"),
            None if number % 11 == 0 else json.dumps(preferences, ensure_ascii=False, sort_keys=True),
            moment,
            moment.replace(microsecond=0) + timedelta(days=1),
        )


def _addresses(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    for customer in range(1, CUSTOMERS + 1):
        for number in range(1, 2 + customer % 3):
            city, country, north, east = dice.choice(CITIES)
            yield customer, number, f"{dice.choice(NAMES)}s gata {number}", city, country, Point(north, east)


def _products(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    for number in range(1, PRODUCTS + 1):
        words = " ".join(dice.choices(NAMES, k=2))
        attributes = {
            "colour": dice.choice(["röd", "green", "藍"]),
            "sizes": [1, 2.5, -3],
            "nested": {"a": [{}, []], "": "\\"},
        }
        yield (
            number,
            1 + number % 40,
            hashlib.sha256(b"sku%d" % number).digest()[:16],
            f"Produkt {number}: {words}",
            None if number % 9 == 0 else AWKWARD[number % len(AWKWARD)] + words,
            Decimal(dice.randrange(1, 999_999)).scaleb(-2),
            Decimal(("0.25", "0.12", "0.06", "0")[number % 4]),
            None if number % 6 == 0 else dice.random() * 10 ** dice.randrange(-5, 6),
            None if number % 13 == 0 else json.dumps(attributes, ensure_ascii=False, sort_keys=True),
            PRODUCT_STATES[number % 4],
        )


def _images(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    every_byte = bytes(range(256))
    for product in range(1, PRODUCTS + 1, 5):
        content = every_byte * dice.randrange(1, 20) + dice.randbytes(dice.randrange(0, 20_000))
        thumbnail = None if product % 10 == 1 else dice.randbytes(product % 255)
        yield product, 1, content, thumbnail, hashlib.sha256(content).digest()
    big = dice.randbytes(2_000_000)
    yield 1, 2, big, b"", hashlib.sha256(big).digest()
    yield 2, -1, b"", None, hashlib.sha256(b"").digest()


def _orders(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    start = datetime(2023, 1, 1)
    for number in range(1, ORDERS + 1):
        customer = dice.randrange(1, CUSTOMERS + 1)
        delivery = (customer, 1) if number % 4 else (None, None)
        placed = start + timedelta(milliseconds=dice.randrange(100_000_000_000))
        note = AWKWARD[number // 3 % len(AWKWARD)] if number % 3 == 0 else None
        yield number, customer, placed, STATES[number % 4], *delivery, note, Decimal(number * 199).scaleb(-2)


def _items(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    for order in range(1, ORDERS + 1):
        for line in range(1, 2 + order % 5):
            price = Decimal(dice.randrange(1, 99_999)).scaleb(-2)
            yield order, line, dice.randrange(1, PRODUCTS + 1), dice.randrange(1, 9), price


def _payments(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    for number in range(1, ORDERS + 1, 2):
        paid = date(2023, 1, 1) + timedelta(days=dice.randrange(1400))
        amount = Decimal(dice.randrange(10**15, 10**18)).scaleb(-10)
        yield number, number, paid, amount, dice.choice(METHODS)


def _visits(dice: random.Random) -> Iterator[tuple[Value, ...]]:
    for number in range(1500):
        at = datetime(2022, 6, 1) + timedelta(minutes=number * 1400)
        yield (
            at,
            dice.randrange(-(2**63), 2**63),
            f"/produkt/{dice.randrange(PRODUCTS)}?q={dice.choice(NAMES)}",
        )
