"""Rows out of bytes, piece by piece: CSV, one JSON object a line, or a JSON array of objects."""
# Every reader yields `(orig_code, dest_code, day, price)` as it was written, or a Bad for a row that is none.

import codecs
import csv
import json
import re

FIELDS = ("orig_code", "dest_code", "day", "price")
# Longer is no row of four short fields; also the most that a reader holds back.
ROW_BYTES_MAX = 65536
WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0+)?")
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)

TYPES = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
}
# Formats that may be cut between lines and read in parts.
BY_LINE = ("csv", "ndjson")


class Malformed(Exception):
    """The whole body cannot be read; the text says why."""


class Bad:
    """A row that is wrong: which field, where it is one field, and why."""

    __slots__ = ("field", "reason")

    def __init__(self, reason, field=None):
        self.reason = reason
        self.field = field


def lines(pieces):
    """Lines without their ends. The last one needs none."""
    rest = b""
    for piece in pieces:
        found = (rest + piece).split(b"\n")
        rest = found.pop()
        if len(rest) > ROW_BYTES_MAX:
            raise Malformed(f"a line is longer than {ROW_BYTES_MAX} bytes")
        yield from found
    if rest:
        yield rest


def _text(line):
    return line.decode("utf-8").rstrip("\r")


def csv_header(line):
    """Places of the four fields in a CSV file with this first line."""
    try:
        names = [name.strip() for name in next(csv.reader([_text(line).lstrip("\ufeff")], strict=True), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Malformed(f"the first line is no CSV header: {error}") from None
    if sorted(names) != sorted(FIELDS):
        raise Malformed(f"the first line must name the columns {','.join(FIELDS)}, in any order")
    return [names.index(field) for field in FIELDS]


def _number(text):
    text = text.strip()
    if WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    if NOT_FINITE.fullmatch(text):
        return float(text)
    return text


def read_csv(pieces, header=None):
    """Rows below a header; `header` is given where the pieces begin later in the file."""
    for line in lines(pieces):
        if header is None:
            header = csv_header(line)
            continue
        try:
            text = _text(line)
            if not text.strip():
                continue
            cells = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
        except (UnicodeDecodeError, csv.Error) as error:
            yield Bad(f"not CSV: {error}")
            continue
        if len(cells) != len(FIELDS):
            yield Bad(f"{len(cells)} columns instead of {len(FIELDS)}")
            continue
        orig, dest, day, price = (cells[place] for place in header)
        yield orig, dest, day, _number(price)
    if header is None:
        raise Malformed("the body is empty")


def _pairs(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return fields


_decoder = json.JSONDecoder(object_pairs_hook=_pairs)


def _fields(value):
    if not isinstance(value, dict):
        return Bad("not a JSON object")
    for field in FIELDS:
        if field not in value:
            return Bad("is missing", field)
    if len(value) != len(FIELDS):
        unknown = next(name for name in value if name not in FIELDS)
        return Bad(f"unknown field {unknown[:40]!r}")
    return tuple(value[field] for field in FIELDS)


def read_ndjson(pieces):
    """One object a line; empty lines count for nothing."""
    for line in lines(pieces):
        try:
            text = _text(line).strip()
            if text:
                yield _fields(_decoder.decode(text))
        except (ValueError, RecursionError) as error:
            yield Bad(f"not JSON: {error}")


def read_json(pieces):
    """The objects of one array, without ever holding the array."""
    decode = codecs.getincrementaldecoder("utf-8-sig")()
    text, began, ended, first = "", False, False, True
    try:
        for piece in pieces:
            text += decode.decode(piece)
            at = 0
            while True:
                at = _skip_space(text, at)
                if at == len(text):
                    break
                letter = text[at]
                if ended:
                    raise Malformed("there is more after the end of the array")
                if not began:
                    if letter != "[":
                        raise Malformed("the body must be a JSON array of objects")
                    began, at = True, at + 1
                    continue
                if letter == "]":
                    ended, at = True, at + 1
                    continue
                start = at
                if not first:
                    if letter != ",":
                        raise Malformed("the array lacks a comma between two objects")
                    start = _skip_space(text, at + 1)
                    if start == len(text):
                        break
                if text[start] != "{":
                    raise Malformed("the array must hold objects only")
                try:
                    value, at = _decoder.raw_decode(text, start)
                except (ValueError, RecursionError) as error:
                    if len(text) - start > ROW_BYTES_MAX or isinstance(error, RecursionError):
                        raise Malformed(f"not JSON: {error}") from None
                    break
                first = False
                yield _fields(value)
            text = text[at:]
        decode.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: {error}") from None
    if not ended:
        raise Malformed("the array has no end, or holds something that is not JSON: " + repr(text[:60]))


def _skip_space(text, at):
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


READERS = {"csv": read_csv, "ndjson": read_ndjson, "json": read_json}
