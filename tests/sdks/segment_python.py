"""``python segment_python.py URL KEY CUSTOMER``: ten page views of items by segment-analytics-python, of which the
fourth has a price that is no number (Python's JSON writes NaN), and one of two other visitors each."""

import datetime
import decimal
import sys

from segment.analytics import Client

host, key, customer = sys.argv[1:]
faults: list[object] = []
client = Client(key, host=host, on_error=lambda fault, _: faults.append(fault))
for place in range(10):
    properties = {
        "product_id": f"item-{place}",
        "price": float("nan") if place == 3 else decimal.Decimal("12.50"),
        "rating": float("nan"),
        "seen": datetime.datetime(2026, 1, 1),
        "tags": {"one"},
    }
    client.track(customer, "Product Viewed", properties)
client.shutdown()
sys.exit(bool(faults))
