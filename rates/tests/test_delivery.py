"""What the API takes, refuses and tells."""

import hashlib
import json
import socket
import threading

import pytest

from service import TOKEN, csv_of, prices


def as_json(rows):
    return [dict(zip(("orig_code", "dest_code", "day", "price"), row)) for row in rows]


@pytest.mark.parametrize("kind, write", [
    ("text/csv; charset=utf-8", lambda rows: csv_of("2020-01-01", len(rows))),
    ("application/x-ndjson", lambda rows: "\n".join(map(json.dumps, as_json(rows))).encode()),
    ("application/json", lambda rows: json.dumps(as_json(rows)).encode()),
])
def test_every_format_is_loaded_whole(service, kind, write):
    rows = list(prices("2020-01-01", 5000))
    body = write(rows)
    sent = service.send(body, kind, "?rows=5000&sha256=" + hashlib.sha256(body).hexdigest().upper())
    assert sent.status == 202 and sent.json["status"] == "queued" and sent.json["duplicate"] is False
    assert sent.headers["Location"] == f"/batches/{sent.json['id']}"
    assert service.count("2020-01-01") == 0
    service.worker()
    batch = service.ended(sent.json["id"])
    assert (batch["status"], batch["rows"], batch["error_count"], batch["attempts"]) == ("loaded", 5000, 0, 1)
    assert {"read", "copy", "check", "insert"} <= set(batch["phases"])
    seen = service.rows("SELECT orig_code, dest_code, day::text, price FROM public.prices WHERE day = '2020-01-01'")
    assert sorted(seen) == sorted(rows)
    # The prices are where every reader finds them.
    orig, dest, day, _ = rows[0]
    answer = service.ask("GET", f"/rates?date_from={day}&date_to={day}&orig_code={orig}&dest_code={dest}", token=None)
    assert answer.json["rates"][0]["count"] == sum(row[:2] == (orig, dest) for row in rows)


def test_a_batch_delivered_twice_is_loaded_once(service):
    body = csv_of("2020-01-01", 100)
    first = service.send(body, headers={"Idempotency-Key": "k1"})
    again = service.send(body, headers={"Idempotency-Key": "k1"})
    other = service.send(body, headers={"Idempotency-Key": "k2"})
    none = service.send(body)
    assert [first.status, again.status, other.status, none.status] == [202, 200, 200, 200]
    assert {answer.json["id"] for answer in (first, again, other, none)} == {first.json["id"]}
    assert again.json["duplicate"] is True and again.headers["Location"] == first.headers["Location"]
    service.worker()
    service.ended(first.json["id"])
    late = service.send(body)
    assert late.status == 200 and late.json["status"] == "loaded"
    conflict = service.send(csv_of("2020-01-02", 100), headers={"Idempotency-Key": "k1"})
    assert conflict.status == 409 and conflict.headers["Location"] == first.headers["Location"]
    assert service.count("2020-01-01") == 100
    assert service.rows("SELECT count(*) FROM ingest.batches") == [(1,)]


def test_the_same_batch_sent_at_once_by_many_is_one(service):
    body, answers = csv_of("2020-01-01", 20000), []
    threads = [threading.Thread(target=lambda: answers.append(service.send(body))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
    assert len({answer.json["id"] for answer in answers}) == 1


def test_a_rejected_batch_says_which_rows_and_may_be_sent_again(service):
    service.worker()
    rows = [list(row) for row in prices("2020-01-01", 400)]
    for number in range(100, 250):
        rows[number][3] = -number
    rows[0][0], rows[1][2], rows[2][3] = "NOWHR", "2020-13-01", "much"
    body = "orig_code,dest_code,day,price\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    sent = service.send(body.encode(), headers={"Idempotency-Key": "k"})
    batch = service.ended(sent.json["id"])
    assert (batch["status"], batch["error_count"], batch["rows"]) == ("rejected", 153, 400)
    assert batch["reason"] == "153 of 400 rows are wrong"
    assert len(batch["errors"]) == 100
    assert batch["errors"][:4] == [
        {"row": 1, "field": "orig_code", "reason": "no port is called 'NOWHR'"},
        {"row": 2, "field": "day", "reason": "must be a day such as 2016-01-31, not '2020-13-01'"},
        {"row": 3, "field": "price", "reason": "must be a whole number, not 'much'"},
        {"row": 101, "field": "price", "reason": "is negative"},
    ]
    assert service.rows("SELECT count(*) FROM public.prices WHERE day >= '2020-01-01'") == [(0,)]
    again = service.send(body.encode(), headers={"Idempotency-Key": "k"})
    assert again.status == 202 and again.json["id"] != sent.json["id"]
    # The key is free for what was corrected, too.
    service.ended(again.json["id"])
    corrected = service.send(csv_of("2020-01-01", 10), headers={"Idempotency-Key": "k"})
    assert corrected.status == 202 and service.ended(corrected.json["id"])["status"] == "loaded"


@pytest.mark.parametrize("body, query, reason, errors", [
    (b"orig_code,dest_code,day,price\n", "", "there are no rows", []),
    (b"CNGGZ,EETLL,2020-01-31,12\n", "", "the first line must name the columns", []),
    (csv_of("2020-01-01", 5), "?rows=6", "6 rows were announced, 5 came", []),
    (csv_of("2020-01-01", 3) + csv_of("2020-01-01", 2).split(b"\n", 1)[1], "", "2 rows repeat an earlier one",
     [{"row": 4, "reason": "the same as row 1"}, {"row": 5, "reason": "the same as row 2"}]),
])
def test_batches_that_are_wrong_as_a_whole(service, body, query, reason, errors):
    service.worker()
    batch = service.ended(service.send(body, query=query).json["id"])
    assert batch["status"] == "rejected" and reason in batch["reason"] and batch["errors"] == errors


def test_equal_rows_are_kept_where_the_client_says_so(service):
    service.worker()
    body = csv_of("2020-01-01", 3) + csv_of("2020-01-01", 2).split(b"\n", 1)[1]
    batch = service.ended(service.send(body, headers={"Batch-Duplicates": "keep"}).json["id"])
    assert (batch["status"], batch["rows"], service.count("2020-01-01")) == ("loaded", 5, 5)


def test_who_has_no_token_gets_nothing(service):
    body = csv_of("2020-01-01", 10)
    for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1], "Ünïcode".encode().decode("latin-1")):
        answer = service.send(body, token=token)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer", token
    basic = service.send(body, token=None, headers={"Authorization": f"Basic {TOKEN}"})
    assert basic.status == 401
    id = service.send(body).json["id"]
    assert service.ask("GET", f"/batches/{id}", token=None).status == 401
    assert service.rows("SELECT count(*) FROM ingest.batches") == [(1,)]
    assert TOKEN not in service.log()


def test_without_a_token_configured_the_endpoint_is_off(make):
    service = make(RATES_INGEST_TOKEN="")
    service.api()
    for token in (None, "", TOKEN):
        answer = service.send(csv_of("2020-01-01", 10), token=token)
        assert answer.status == 503 and "RATES_INGEST_TOKEN" in answer.json["error"]


def test_two_tokens_while_one_takes_the_others_place(make):
    service = make(RATES_INGEST_TOKEN="old, new")
    service.api()
    assert [service.ask("GET", "/batches/x", token=token).status for token in ("old", "new", "old, new")] == [404, 404, 401]


def test_without_the_tables_only_batches_are_off(make):
    service = make("dump")
    service.api()
    answer = service.send(csv_of("2020-01-01", 10))
    assert answer.status == 503 and "ingest.migrate" in answer.json["error"]
    assert service.ask("GET", "/health").status == 200
    assert "rates_queue_up 0.0" in service.ask("GET", "/metrics").text


def chunked(service, pieces, end=True, length=None):
    """A POST as a client writes it that does not know its length; what the server says first."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        how = f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"
        connection.sendall(f"POST /batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
                           f"Content-Type: text/csv\r\n{how}\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(piece if length else f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if end and not length:
            connection.sendall(b"0\r\n\r\n")
        if end is None:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096).decode()


def test_a_body_of_unknown_length_is_taken(service):
    body = csv_of("2020-01-01", 5000)
    answer = chunked(service, [body[:1000], body[1000:]])
    assert answer.startswith("HTTP/1.1 202")
    assert service.send(body).status == 200, "the same content, however it was sent"


def test_too_much_is_refused(make):
    service = make(RATES_INGEST_MAX_BYTES=100_000, RATES_INGEST_READ_TIMEOUT=2)
    service.api()
    body = csv_of("2020-01-01", 10_000)
    assert len(body) > 200_000
    assert service.send(body).status == 413
    assert chunked(service, [body[:60_000], body[60_000:120_000]]).startswith("HTTP/1.1 413")
    assert service.send(csv_of("2020-01-01", 1000)).status == 202
    # A client that stops in the middle, and one that hangs up.
    assert chunked(service, [b"orig_code"], length=1000, end=False).startswith("HTTP/1.1 408")
    assert chunked(service, [b"orig_code"], length=1000, end=None).startswith("HTTP/1.1 400")
    assert service.rows("SELECT count(*) FROM ingest.batches") == [(1,)]


def test_a_full_queue_asks_to_come_later(make):
    service = make(RATES_INGEST_MAX_QUEUED=2)
    service.api()
    answers = [service.send(csv_of(f"2020-01-0{day}", 10)) for day in (1, 2, 3)]
    assert [answer.status for answer in answers] == [202, 202, 503]
    assert int(answers[2].headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind, query, headers, status, word", [
    ("text/plain", "", {}, 415, "Content-Type"), ("text/csv", "", {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
    ("text/csv", "?rows=many", {}, 400, "rows"), ("text/csv", "?rows=0", {}, 400, "rows"),
    ("text/csv", "", {"Batch-Deadline": "-1"}, 400, "deadline"), ("text/csv", "?sha256=abc", {}, 400, "sha256"),
    ("text/csv", "?sha256=" + "0" * 64, {}, 400, "changed on the way"),
    ("text/csv", "?duplicates=maybe", {}, 400, "duplicates"),
    ("text/csv", "", {"Idempotency-Key": "a b"}, 400, "Idempotency-Key"),
])
def test_wrong_options_are_named(service, kind, query, headers, status, word):
    answer = service.send(csv_of("2020-01-01", 10), kind, query, headers)
    assert answer.status == status and word in answer.json["error"]
    assert service.rows("SELECT count(*) FROM ingest.batches") == [(0,)]


def test_an_empty_body_and_an_unknown_batch(service):
    assert service.send(b"").status == 400
    for id in ("x", "00000000-0000-0000-0000-000000000000"):
        assert service.ask("GET", f"/batches/{id}").status == 404


def test_metrics_count_over_all_processes(service):
    for _ in range(20):
        service.ask("GET", "/")
    service.send(csv_of("2020-01-01", 10))
    service.send(b"", token="wrong")
    text = service.ask("GET", "/metrics").text
    assert 'rates_requests_total{method="GET",route="/",status="200"} 20.0' in text
    assert 'rates_requests_total{method="POST",route="/batches",status="202"} 1.0' in text
    assert 'rates_requests_total{method="POST",route="/batches",status="401"} 1.0' in text
    assert 'rates_request_seconds_count{route="/"} 20.0' in text
    assert 'rates_queue_batches{status="queued"} 1.0' in text and "rates_queue_up 1.0" in text


def test_answers_that_were_there_before_are_the_same(service):
    query = "/rates?date_from=2016-01-31&date_to=2016-01-31&orig_code=CNGGZ&dest_code=EETLL"
    assert service.ask("GET", query, token=None).text == (
        '{\n  "rates": [\n    {\n      "count": 3,\n      "day": "2016-01-31",\n      "price": 1154.33333333333\n'
        "    }\n  ]\n}\n"
    )
    assert service.ask("GET", "/").text == (
        '{\n  "message": "Hello! Ask /rates for prices and /health for my state."\n}\n'
    )
    assert service.ask("GET", "/rates").text == '{\n  "error": "argument date_from is missing"\n}\n'
