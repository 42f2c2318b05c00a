"""Settings of the rates service: a default for each, and the environment variable that overrides it.

| variable                     | fallback   | default   | meaning                                                    |
| ---------------------------- | ---------- | --------- | ---------------------------------------------------------- |
| RATES_DB_HOST                | PGHOST     | localhost | name or address of the database server                     |
| RATES_DB_PORT                | PGPORT     | 5432      | its port                                                   |
| RATES_DB_NAME                | PGDATABASE | rates     | name of the database                                       |
| RATES_DB_USER                | PGUSER     | postgres  | role to log in as                                          |
| RATES_DB_PASSWORD            | PGPASSWORD | (none)    | its password                                               |
| RATES_DB_CONNECT_TIMEOUT     |            | 5         | seconds before a connection attempt is given up            |
| RATES_DB_STATEMENT_TIMEOUT   |            | 10        | seconds before the server cancels one of our queries       |
| RATES_MAX_DAYS               |            | 3660      | longest range that one request may ask for                 |
| RATES_MIN_PRICES             |            | 3         | fewer prices than this on a day give no average (null)     |

Batches of new prices (ingest/):

| variable                     | default    | meaning                                                                |
| ---------------------------- | ---------- | ---------------------------------------------------------------------- |
| RATES_INGEST_TOKEN           | (none)     | bearer tokens for /batches, apart by commas; none: /batches is off     |
| RATES_INGEST_MAX_BYTES       | 67108864   | longest body                                                           |
| RATES_INGEST_MAX_QUEUED      | 1000       | with so many batches waiting, new ones are asked to come later         |
| RATES_INGEST_READ_TIMEOUT    | 300        | seconds for a whole body to arrive                                     |
| RATES_INGEST_FIRST_DAY       | 2000-01-01 | earliest day of a price                                                |
| RATES_INGEST_DAYS_AHEAD      | 1096       | latest day of a price, counted from today                              |
| RATES_INGEST_KEEP_DAYS       | 30         | what was sent is kept so long after its batch has ended                |
| RATES_WORKER_POLL            | 1          | seconds between looks at an empty queue                                |
| RATES_WORKER_LEASE           | 15         | seconds until a claim that nobody holds is free again                  |
| RATES_WORKER_TRIES           | 10         | a batch that failed so often is given up                               |
| RATES_WORKER_TIMEOUT         | 900        | seconds before the server cancels one of a worker's statements         |
| RATES_WORKER_CONNECTIONS     | 2          | connections (and processes) that load one very large batch             |
| RATES_WORKER_PARALLEL_BYTES  | 16777216   | a batch is very large from this size on                                |
| RATES_WORKER_BIND            | 127.0.0.1  | where a worker answers /metrics and /health                            |
| RATES_WORKER_PORT            | 0          | its port; 0: nowhere                                                   |
"""

import datetime
import os

DEFAULTS = {
    "RATES_DB_HOST": "localhost",
    "RATES_DB_PORT": "5432",
    "RATES_DB_NAME": "rates",
    "RATES_DB_USER": "postgres",
    "RATES_DB_PASSWORD": "",
    "RATES_DB_CONNECT_TIMEOUT": "5",
    "RATES_DB_STATEMENT_TIMEOUT": "10",
    "RATES_MAX_DAYS": "3660",
    "RATES_MIN_PRICES": "3",
    "RATES_INGEST_TOKEN": "",
    "RATES_INGEST_MAX_BYTES": "67108864",
    "RATES_INGEST_MAX_QUEUED": "1000",
    "RATES_INGEST_READ_TIMEOUT": "300",
    "RATES_INGEST_FIRST_DAY": "2000-01-01",
    "RATES_INGEST_DAYS_AHEAD": "1096",
    "RATES_INGEST_KEEP_DAYS": "30",
    "RATES_WORKER_POLL": "1",
    "RATES_WORKER_LEASE": "15",
    "RATES_WORKER_TRIES": "10",
    "RATES_WORKER_TIMEOUT": "900",
    "RATES_WORKER_CONNECTIONS": "2",
    "RATES_WORKER_PARALLEL_BYTES": "16777216",
    "RATES_WORKER_BIND": "127.0.0.1",
    "RATES_WORKER_PORT": "0",
}

# The names that psql and libpq use, so that an environment made for them works here too.
FALLBACKS = {
    "RATES_DB_HOST": "PGHOST",
    "RATES_DB_PORT": "PGPORT",
    "RATES_DB_NAME": "PGDATABASE",
    "RATES_DB_USER": "PGUSER",
    "RATES_DB_PASSWORD": "PGPASSWORD",
}


def setting(name, environ=None):
    """The value of one setting; an empty variable counts as not set."""
    environ = os.environ if environ is None else environ
    return environ.get(name) or environ.get(FALLBACKS.get(name, ""), "") or DEFAULTS[name]


def number(name, environ=None):
    """The value of one numeric setting; the error names the variable to correct."""
    value = setting(name, environ)
    try:
        return int(value)
    except ValueError:
        raise SystemExit(f"{name} must be a whole number, not {value!r}") from None


def day(name, environ=None):
    """The value of one setting that is a day."""
    value = setting(name, environ)
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise SystemExit(f"{name} must be a day such as 2000-01-01, not {value!r}") from None


def connection_arguments(name="rates", timeout="RATES_DB_STATEMENT_TIMEOUT"):
    """What psycopg2.connect takes; the name is what the server's lists of sessions show."""
    return {
        "host": setting("RATES_DB_HOST"),
        "port": number("RATES_DB_PORT"),
        "dbname": setting("RATES_DB_NAME"),
        "user": setting("RATES_DB_USER"),
        "password": setting("RATES_DB_PASSWORD") or None,
        "connect_timeout": number("RATES_DB_CONNECT_TIMEOUT"),
        "application_name": name,
        "options": f"-c statement_timeout={number(timeout) * 1000}",
        # A database host that vanishes without a word is noticed within half a minute.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # The same while something waits to be acknowledged, which keepalives do not watch over; in milliseconds.
        "tcp_user_timeout": 30_000,
    }
