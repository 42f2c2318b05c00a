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
"""

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


def connection_arguments():
    """What psycopg2.connect takes."""
    return {
        "host": setting("RATES_DB_HOST"),
        "port": number("RATES_DB_PORT"),
        "dbname": setting("RATES_DB_NAME"),
        "user": setting("RATES_DB_USER"),
        "password": setting("RATES_DB_PASSWORD") or None,
        "connect_timeout": number("RATES_DB_CONNECT_TIMEOUT"),
        "application_name": "rates",
        "options": f"-c statement_timeout={number('RATES_DB_STATEMENT_TIMEOUT') * 1000}",
        # A database host that vanishes without a word is noticed within half a minute.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
