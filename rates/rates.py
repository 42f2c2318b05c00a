"""The rates service: average daily prices between two ports or regions."""
# Arguments are checked here, SQL answers, and nothing is kept between requests.

import datetime
import json
import re

from flask import Flask, Response, request

import config
import database
import ingest.api
import ingest.requests

ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

# A place is a port by its code or a region by its slug; a region stands for all ports below it. The ports are arrays, with which
# the index on (orig_code, dest_code, day) is looked into; with IN the planner reads the whole table.
RATES = """
WITH RECURSIVE
    orig_regions(slug) AS (
        SELECT slug FROM public.regions WHERE slug = %(orig)s
        UNION SELECT r.slug FROM public.regions r JOIN orig_regions o ON r.parent_slug = o.slug),
    dest_regions(slug) AS (
        SELECT slug FROM public.regions WHERE slug = %(dest)s
        UNION SELECT r.slug FROM public.regions r JOIN dest_regions d ON r.parent_slug = d.slug),
    orig_ports AS (
        SELECT code FROM public.ports
        WHERE code = %(orig)s OR parent_slug IN (SELECT slug FROM orig_regions)),
    dest_ports AS (
        SELECT code FROM public.ports
        WHERE code = %(dest)s OR parent_slug IN (SELECT slug FROM dest_regions)),
    daily AS (
        SELECT day, count(*) AS count, avg(price) AS price
        FROM public.prices
        WHERE day BETWEEN %(first)s AND %(last)s
          AND orig_code = ANY (ARRAY(SELECT code FROM orig_ports))
          AND dest_code = ANY (ARRAY(SELECT code FROM dest_ports))
        GROUP BY day)
SELECT wanted.day::date, coalesce(daily.count, 0), daily.price
FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, '1 day') AS wanted(day)
LEFT JOIN daily ON daily.day = wanted.day::date
ORDER BY wanted.day DESC
"""

KNOWN = """
SELECT code FROM public.ports WHERE code = ANY(%(places)s)
UNION SELECT slug FROM public.regions WHERE slug = ANY(%(places)s)
"""

# Reads a row of the table that every answer needs, so it fails when an answer would.
HEALTH = "SELECT current_setting('server_version'), EXISTS (SELECT 1 FROM public.prices)"


class BadRequest(Exception):
    """What the caller has to correct."""


def answer(body, status=200):
    text = json.dumps(body, indent=2, sort_keys=True) + "\n"
    return Response(text, status=status, mimetype="application/json")


def argument(name):
    value = request.args.get(name, "").strip()
    if not value:
        raise BadRequest(f"argument {name} is missing")
    if "\x00" in value:
        raise BadRequest(f"argument {name} holds a zero byte")
    return value


def day_argument(name):
    value = argument(name)
    try:
        if not ISO_DAY.fullmatch(value):
            raise ValueError
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise BadRequest(f"argument {name} must be a day such as 2016-01-31, not {value!r}") from None


def average(count, price, least):
    """Fifteen significant digits: what a double holds for certain, and what clients compare with."""
    return None if count < least else float(f"{price:.15g}")


def create_app():
    app = Flask(__name__)
    connection = config.connection_arguments()
    least = config.number("RATES_MIN_PRICES")
    longest = config.number("RATES_MAX_DAYS")
    ingest.requests.install(app)
    app.register_blueprint(ingest.api.blueprint())

    @app.errorhandler(BadRequest)
    def bad_request(error):
        return answer({"error": str(error)}, 400)

    @app.errorhandler(database.Unavailable)
    def unavailable(error):
        app.logger.error("database unavailable: %s", error)
        return answer({"error": "the database is not available, try again"}, 503)

    @app.get("/")
    def hello():
        return answer({"message": "Hello! Ask /rates for prices and /health for my state."})

    @app.get("/rates")
    def rates():
        first, last = day_argument("date_from"), day_argument("date_to")
        orig, dest = argument("orig_code"), argument("dest_code")
        if first > last:
            raise BadRequest("argument date_from is after date_to")
        if (last - first).days >= longest:
            raise BadRequest(f"the range is longer than {longest} days")
        known = {row[0] for row in database.fetch(connection, KNOWN, {"places": [orig, dest]})}
        for name, place in (("orig_code", orig), ("dest_code", dest)):
            if place not in known:
                raise BadRequest(f"argument {name}: no port or region is called {place!r}")
        rows = database.fetch(
            connection, RATES, {"orig": orig, "dest": dest, "first": first, "last": last}
        )
        return answer(
            {
                "rates": [
                    {"day": day.isoformat(), "count": count, "price": average(count, price, least)}
                    for day, count, price in rows
                ]
            }
        )

    @app.get("/health")
    def health():
        try:
            version, filled = database.fetch(connection, HEALTH)[0]
        except (database.Unavailable, database.psycopg2.Error) as error:
            return answer({"status": "unavailable", "reason": str(error).strip()}, 503)
        if not filled:
            return answer({"status": "unavailable", "reason": "table prices is empty"}, 503)
        return answer({"status": "ok", "database": version})

    return app
