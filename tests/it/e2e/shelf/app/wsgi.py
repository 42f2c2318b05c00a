"""Titles on a shelf, one a line."""
import psycopg2


def application(environ, start_response):
    # libpq takes the address from the environment.
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT title FROM public.books ORDER BY title")
        titles = "".join(f"{title}\n" for (title,) in cursor)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [titles.encode()]
