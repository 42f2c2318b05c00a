"""What a row must be: types, known ports, a whole price that is not negative, a day within reason."""

import datetime
import math
import re

from ingest.formats import Bad

ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The column's type.
PRICE_MAX = 2**31 - 1
# Answers list so many wrong rows; all of them are counted.
ERRORS_LISTED = 100
# What is wrong may be long, and is only quoted.
QUOTED = 40


class Errors:
    """The first wrong rows of a batch, and the count of all."""

    def __init__(self):
        self.first = []
        self.count = 0

    def add(self, row, bad):
        self.count += 1
        if len(self.first) < ERRORS_LISTED:
            entry = {"row": row, "reason": bad.reason}
            if bad.field:
                entry["field"] = bad.field
            self.first.append(entry)


class Checker:
    """Checks rows against the ports that are known and the days that are sensible."""

    def __init__(self, ports, first_day, last_day):
        self.ports = ports
        self.first_day = first_day
        self.last_day = last_day
        self.days = {}

    def check(self, row):
        """The row with its day in the database's form, or a Bad."""
        orig, dest, day, price = row
        if not (isinstance(orig, str) and orig in self.ports):
            return Bad(f"no port is called {_quote(orig)}", "orig_code")
        if not (isinstance(dest, str) and dest in self.ports):
            return Bad(f"no port is called {_quote(dest)}", "dest_code")
        # A batch has many rows and few days.
        known = self.days.get(day) if isinstance(day, str) else None
        if known is None:
            known = self._day(day)
            if isinstance(known, Bad):
                return known
            self.days[day] = known
        if type(price) is float:
            if not math.isfinite(price):
                return Bad("is not finite", "price")
            if price.is_integer():
                price = int(price)
        if type(price) is not int:
            return Bad(f"must be a whole number, not {_quote(price)}", "price")
        if price < 0:
            return Bad("is negative", "price")
        if price > PRICE_MAX:
            return Bad(f"is greater than {PRICE_MAX}", "price")
        return orig, dest, known, price

    def _day(self, day):
        try:
            if not (isinstance(day, str) and ISO_DAY.fullmatch(day)):
                raise ValueError
            value = datetime.date.fromisoformat(day)
        except ValueError:
            return Bad(f"must be a day such as 2016-01-31, not {_quote(day)}", "day")
        if not self.first_day <= value <= self.last_day:
            return Bad(f"{day} is not between {self.first_day} and {self.last_day}", "day")
        return value.isoformat()


def _quote(value):
    text = repr(value)
    return text if len(text) <= QUOTED else text[:QUOTED] + "…"
