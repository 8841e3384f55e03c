"""What the shop sells and writes about. It is the same for every seed, so that numbers can be compared."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from cdp_pipeline.demo.text import Ints

CATEGORIES = ["shoes", "coats", "shirts", "bags", "hats", "sport", "kids", "home", "garden", "books"]
PRODUCTS = 240
CAMPAIGNS = ["spring_sale", "newsletter", "brand_search", "retargeting", "influencer", "price_compare"]
SEARCHES = ["rain coat", "running shoes", "gift", "backpack", "tea pot", "wool hat", "sandals", "novel"]
TOPICS = ["delivery", "return", "complaint", "invoice", "size advice", "order change"]


@dataclass(frozen=True)
class Catalogue:
    """Tables of ready text that events look up by number."""

    cents: Ints  # of each product
    product_fields: list[str]  # of each product, as fields of a JSON object
    product_urls: list[str]
    browsing_urls: list[str]  # the home page and the categories
    magazine_urls: list[str]
    items: list[str]  # an order's line: product × quantity 1 or 2, as `2 * product + quantity - 1`


@cache
def catalogue() -> Catalogue:
    """The one catalogue, made when first asked for."""
    cents = 490 + (np.arange(PRODUCTS, dtype=np.int64) * 7919) % 19_500
    skus = [f"SKU-{number:03}" for number in range(1, PRODUCTS + 1)]
    prices = [f"{amount // 100}.{amount % 100:02}" for amount in cents.tolist()]
    return Catalogue(
        cents=cents,
        product_fields=[
            f'"sku":"{sku}","category":"{CATEGORIES[number % len(CATEGORIES)]}","price":{price}'
            for number, (sku, price) in enumerate(zip(skus, prices, strict=True))
        ],
        product_urls=[f"https://shop.example/p/{sku.lower()}" for sku in skus],
        browsing_urls=["https://shop.example/", *(f"https://shop.example/c/{name}" for name in CATEGORIES)],
        magazine_urls=[f"https://magazine.example/article-{number}" for number in range(1, 41)],
        items=[
            f'{{"sku":"{sku}","price":{price},"quantity":{quantity}}}'
            for sku, price in zip(skus, prices, strict=True)
            for quantity in (1, 2)
        ],
    )
