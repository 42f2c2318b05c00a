"""Connections of workers, and what all of a batch's processes agree on."""

import datetime

import psycopg2

import config


def connect(name="rates-worker"):
    """A connection whose end the server notices too, so that a lost worker's locks do not outlive it for long."""
    arguments = config.connection_arguments(name, "RATES_WORKER_TIMEOUT")
    idle = config.number("RATES_WORKER_TIMEOUT") * 1000
    arguments["options"] += (
        " -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
        f" -c idle_in_transaction_session_timeout={idle} -c synchronous_commit=on"
    )
    return psycopg2.connect(**arguments)


def days():
    """The first and the last day that a price may have."""
    ahead = datetime.timedelta(days=config.number("RATES_INGEST_DAYS_AHEAD"))
    return config.day("RATES_INGEST_FIRST_DAY"), datetime.date.today() + ahead
