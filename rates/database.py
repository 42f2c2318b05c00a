"""One connection per thread that outlives a restart of the database."""
# Each thread of the server has its own, so requests never wait for each other here.

import threading

import psycopg2

_local = threading.local()


class Unavailable(Exception):
    """The database cannot be reached or does not answer; the text says why."""


def _connection(arguments):
    connection = getattr(_local, "connection", None)
    if connection is None or connection.closed:
        connection = psycopg2.connect(**arguments)
        # Without autocommit the first SELECT opens a transaction that nobody ends, and one
        # failed statement would fail all that follow.
        connection.autocommit = True
        _local.connection = connection
    return connection


def _drop():
    connection, _local.connection = getattr(_local, "connection", None), None
    if connection is not None:
        try:
            connection.close()
        except psycopg2.Error:
            pass


def _twice(arguments, use):
    """What `use(cursor)` returns. A connection that broke since its last use is replaced once."""
    for attempt in (1, 2):
        try:
            with _connection(arguments).cursor() as cursor:
                return use(cursor)
        except psycopg2.extensions.QueryCanceledError as error:
            raise Unavailable(f"the database took too long: {error}".strip()) from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            _drop()
            if attempt == 2:
                raise Unavailable(str(error).strip()) from error
    raise AssertionError("unreachable: the second attempt returns or raises")


def fetch(arguments, query, values=()):
    """All rows of a query."""

    def use(cursor):
        cursor.execute(query, values)
        return cursor.fetchall()

    return _twice(arguments, use)


def transaction(arguments, work):
    """What `work(cursor)` returns, done in one transaction. Work may be done a second time, and must bear that."""

    def use(cursor):
        cursor.execute("BEGIN")
        try:
            result = work(cursor)
            cursor.execute("COMMIT")
        except BaseException:
            try:
                cursor.execute("ROLLBACK")
            except psycopg2.Error:
                _drop()
            raise
        return result

    return _twice(arguments, use)
