"""Bytes to rows, however the bytes are cut."""

import datetime
import json

import pytest

from ingest.body import pieces
from ingest.check import Checker
from ingest.formats import READERS, Bad, Malformed

ROW = {"orig_code": "CNGGZ", "dest_code": "EETLL", "day": "2020-01-31", "price": 12}
GOOD = ("CNGGZ", "EETLL", "2020-01-31", 12)


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(format, data, size=7):
    return [row.reason if isinstance(row, Bad) else row for row in READERS[format](cut(data, size))]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 1000])
@pytest.mark.parametrize("format, data", [
    ("csv", b"orig_code,dest_code,day,price\nCNGGZ,EETLL,2020-01-31,12\nCNGGZ,EETLL,2020-01-31,12"),
    ("csv", b'\xef\xbb\xbfprice,day,orig_code,dest_code\r\n12,2020-01-31,"CNGGZ",EETLL\r\n\r\n12.0,2020-01-31,CNGGZ,EETLL\r\n'),
    ("ndjson", b"\n".join([json.dumps(ROW).encode()] * 2) + b"\n\n"),
    ("json", json.dumps([ROW, ROW], indent=3).encode()),
    ("json", b"\xef\xbb\xbf" + json.dumps([ROW, ROW], separators=(",", ":")).encode() + b"\n"),
])
def test_rows_are_read_wherever_pieces_end(format, data, size):
    assert read(format, data, size) == [GOOD, GOOD]


@pytest.mark.parametrize("format, data, reason", [
    ("csv", b"", "empty"),
    ("csv", b"CNGGZ,EETLL,2020-01-31,12\n", "must name the columns"),
    ("csv", b"orig_code,dest_code,day,price,price\n", "must name the columns"),
    ("csv", b"orig_code,dest_code,day,price\n" + b"x" * 70000, "longer than"),
    ("json", b'{"rates": []}', "must be a JSON array"),
    ("json", b"[1]", "objects only"),
    ("json", b"[", "no end"),
    ("json", json.dumps([ROW]).encode() + b"x", "after the end"),
    ("json", json.dumps([ROW]).encode()[:-1], "no end"),
    ("json", json.dumps([ROW]).encode()[:-1] + b'{"a":1}]', "lacks a comma"),
    ("json", b'[{"a": tru}' + b" " * 70000 + b"]", "not JSON"),
    ("json", b"[" + b'{"a":' * 30000, "not JSON"),
    ("json", b"[\xff]", "not UTF-8"),
    ("json", b"[]\xe2", "not UTF-8"),
])
def test_what_cannot_be_read_is_malformed(format, data, reason):
    with pytest.raises(Malformed, match=reason):
        read(format, data, 1000)


@pytest.mark.parametrize("format, line, reason", [
    ("csv", b"CNGGZ,EETLL,2020-01-31", "3 columns instead of 4"),
    ("csv", b'"CNGGZ,EETLL,2020-01-31,1', "not CSV"),
    ("csv", b"\xff,EETLL,2020-01-31,1", "not CSV"),
    ("ndjson", b"[]", "not a JSON object"),
    ("ndjson", b"{}", "is missing"),
    ("ndjson", b"nothing", "not JSON"),
    ("ndjson", b"[" * 20000, "not JSON"),
    ("ndjson", json.dumps({**ROW, "price": 1})[:-1].encode() + b', "price": 2}', "stands twice"),
    ("ndjson", json.dumps({**ROW, "colour": 1}).encode(), "unknown field 'colour'"),
    ("ndjson", json.dumps(ROW).encode().replace(b"12", b"9" * 5000), "not JSON"),
])
def test_a_wrong_row_does_not_hide_the_next(format, line, reason):
    good = b"CNGGZ,EETLL,2020-01-31,12\n" if format == "csv" else json.dumps(ROW).encode() + b"\n"
    head = b"orig_code,dest_code,day,price\n" if format == "csv" else b""
    rows = read(format, head + line + b"\n" + good, 1000)
    assert len(rows) == 2 and reason in rows[0] and rows[1] == GOOD


@pytest.mark.parametrize("field, value, reason", [
    (0, "XXXXX", "no port is called 'XXXXX'"), (1, None, "no port is called None"), (1, ["CNGGZ"], "no port"),
    (2, "2020-02-30", "must be a day"), (2, "2020-1-1", "must be a day"), (2, 20200101, "must be a day"),
    (2, ["2020-01-01"], "must be a day"), (2, "1999-12-31", "is not between"), (2, "2031-01-01", "is not between"),
    (3, -1, "negative"), (3, float("nan"), "not finite"), (3, float("inf"), "not finite"), (3, 1.5, "whole number"),
    (3, True, "whole number"), (3, "12", "whole number"), (3, None, "whole number"), (3, 2**31, "greater than"),
])
def test_values_are_checked(field, value, reason):
    checker = Checker({"CNGGZ", "EETLL"}, datetime.date(2000, 1, 1), datetime.date(2030, 1, 1))
    assert checker.check(GOOD) == GOOD
    row = list(GOOD)
    row[field] = value
    assert reason in checker.check(tuple(row)).reason


@pytest.mark.parametrize("text, price", [
    ("12", 12), (" 12 ", 12), ("12.00", 12), ("0", 0), ("-3", -3), ("12.5", "12.5"), ("1e3", "1e3"), ("", ""), ("0x10", "0x10"),
    ("١٢", "١٢"),
])
def test_numbers_of_csv(text, price):
    data = f"orig_code,dest_code,day,price\nCNGGZ,EETLL,2020-01-31,{text}\n".encode()
    assert read("csv", data, 1000) == [(*GOOD[:3], price)]


class Parts:
    """A cursor over parts of a body."""

    def __init__(self, parts):
        self.parts = parts

    def execute(self, _, values):
        self.row = (self.parts[values[1]],)

    def fetchone(self):
        return self.row


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 40])
@pytest.mark.parametrize("shares", [1, 2, 3, 5, 50])
def test_shares_of_a_body_hold_each_line_once(size, shares):
    lines = [b"a", b"bb", b"", b"a longer line than one part", b"ccc", b"d" * 8, b"e"]
    data = b"\n".join(lines)
    parts = cut(data, size)
    cuts = [len(parts) * n // shares for n in range(shares + 1)]
    found = [b"".join(pieces(Parts(parts), None, first, end, len(parts))) for first, end in zip(cuts, cuts[1:])
             if first < end]
    assert b"".join(found) == data
    filled = [share for share in found if share]
    assert all(share.endswith(b"\n") for share in filled[:-1])
