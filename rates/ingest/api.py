"""`POST /batches` takes a batch of prices, `GET /batches/ID` tells what became of it."""

import json
import time
import uuid

import psycopg2
from flask import Blueprint, Response, request

import config
import database
from ingest import admission, log, options, receive, store
from ingest.tokens import Tokens

# An unread body would reset the connection before the answer is read; so much of it is taken and thrown away.
DRAIN_BYTES_MAX = 1024 * 1024
DRAIN_SECONDS = 5
BUSY_SECONDS = 30


def _answer(body, status=200, **headers):
    response = Response(json.dumps(body, indent=2, sort_keys=True) + "\n", status=status, mimetype="application/json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def _refuse(text, status, **headers):
    """Answers before the body was read, and ends the connection, for the rest of the body may still come."""
    left = min(DRAIN_BYTES_MAX, request.content_length or 0)
    receive.drain(request.stream, left, DRAIN_SECONDS, request.environ.get("gunicorn.socket"))
    return _answer({"error": text}, status, Connection="close", **headers)


def blueprint():
    """The two routes, with the settings of the environment."""
    batches = Blueprint("batches", __name__)
    connection = config.connection_arguments()
    tokens = Tokens(config.setting("RATES_INGEST_TOKEN"))
    limit = config.number("RATES_INGEST_MAX_BYTES")
    most_waiting = config.number("RATES_INGEST_MAX_QUEUED")
    patience = config.number("RATES_INGEST_READ_TIMEOUT")

    @batches.before_request
    def authorise():
        if not tokens.configured():
            return _refuse("batches are not taken here: no token is configured (RATES_INGEST_TOKEN)", 503)
        if not tokens.allow(request.headers.get("Authorization")):
            return _refuse("send Authorization: Bearer and a valid token", 401, WWW_Authenticate="Bearer")
        return None

    @batches.errorhandler(psycopg2.ProgrammingError)
    def no_schema(error):
        log.event("api.schema", reason=str(error).strip())
        return _answer({"error": "batches are not taken yet: the database lacks their tables (ingest.migrate)"}, 503)

    @batches.errorhandler(options.Wrong)
    def wrong(error):
        return _refuse(str(error), error.status)

    @batches.errorhandler(receive.TooLarge)
    def too_large(error):
        return _refuse(str(error), 413)

    @batches.errorhandler(receive.Broken)
    def broken(error):
        status = 408 if isinstance(error, receive.TooSlow) else 400
        return _answer({"error": str(error)}, status, Connection="close")

    @batches.errorhandler(store.Conflict)
    def conflict(error):
        return _answer({"error": str(error)}, 409, Location=f"/batches/{error.batch['id']}")

    @batches.errorhandler(store.Busy)
    def busy(error):
        return _refuse(str(error), 503, Retry_After=str(BUSY_SECONDS))

    @batches.errorhandler(admission.TooLate)
    def too_late(error):
        if error.alone:
            return _refuse(str(error), 422)
        return _refuse(str(error), 503, Retry_After=str(max(1, int(error.seconds))))

    def admit(cursor, size, deadline):
        if store.waiting(cursor) >= most_waiting:
            raise store.Busy(f"{most_waiting} batches wait already, try again later")
        if deadline is not None and size is not None:
            admission.admit(cursor, size, deadline)

    @batches.post("/batches")
    def take():
        began = time.monotonic()
        said = options.read(request)
        length = request.content_length
        if length is not None and length > limit:
            raise receive.TooLarge(f"the body is longer than {limit} bytes")
        # Before the body comes, where its length is known.
        database.transaction(connection, lambda cursor: admit(cursor, length, said["deadline"]))
        received = receive.receive(request.stream, limit, length, patience, request.environ.get("gunicorn.socket"))
        with received.file:
            if not received.size:
                raise options.Wrong("the body is empty")
            digest = said["sha256_said"]
            if digest not in (None, received.sha256):
                raise options.Wrong(f"the body has SHA-256 {received.sha256}, not {digest}: it was changed on the way")

            def work(cursor):
                if length is None:
                    admit(cursor, received.size, said["deadline"])
                return store.store(cursor, received, said)

            batch, new = database.transaction(connection, work)
        seconds = round(time.monotonic() - began, 3)
        log.event("batch.received" if new else "batch.repeated", batch=batch["id"], bytes=received.size, seconds=seconds)
        location = f"/batches/{batch['id']}"
        body = {**store.told(batch), "duplicate": not new, "location": location}
        return _answer(body, 202 if new else 200, Location=location)

    @batches.get("/batches/<id>")
    def tell(id):
        try:
            known = str(uuid.UUID(id))
        except ValueError:
            known = None
        batch = known and database.transaction(connection, lambda cursor: store.find(cursor, known))
        if batch is None:
            return _answer({"error": f"no batch is called {id[:60]!r}"}, 404)
        return _answer(store.told(batch))

    return batches
