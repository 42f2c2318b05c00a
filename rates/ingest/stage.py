"""Reads rows, checks them and copies the good ones into a staging table."""

import hashlib
import tempfile
import time

from ingest.check import Errors
from ingest.formats import READERS, Bad

# More than this waits on disk, not in memory, for its COPY.
MEMORY_BYTES = 8 * 1024 * 1024
COLUMNS = "row bigint, orig_code text, dest_code text, day date, price integer"


class Staged:
    """How many rows were seen, what was wrong with some, the hash of what was read, seconds by phase."""

    def __init__(self, rows, errors, sha256, phases):
        self.rows = rows
        self.errors = errors
        self.sha256 = sha256
        self.phases = phases


def _escaped(code):
    """Text as COPY wants it. Codes of ports are known, but nothing says what they are made of."""
    return code.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def read(pieces, format, checker, file, every_piece=lambda: None, header=None):
    """Writes good rows to `file` as COPY text; answers (rows, errors, sha256)."""
    digest, errors, number = hashlib.sha256(), Errors(), 0

    def counted():
        for piece in pieces:
            every_piece()
            digest.update(piece)
            yield piece

    codes = {code: _escaped(code) for code in checker.ports}
    options = {"header": header} if header is not None else {}
    batch = []
    for number, row in enumerate(READERS[format](counted(), **options), 1):
        checked = row if isinstance(row, Bad) else checker.check(row)
        if isinstance(checked, Bad):
            errors.add(number, checked)
            continue
        orig, dest, day, price = checked
        batch.append(f"{number}\t{codes[orig]}\t{codes[dest]}\t{day}\t{price}\n")
        if len(batch) >= 4096:
            file.write("".join(batch).encode())
            batch.clear()
    file.write("".join(batch).encode())
    return number, errors, digest.hexdigest()


def stage(cursor, pieces, format, checker, table, every_piece=lambda: None, header=None):
    """Reads, checks and copies into `table`; copies nothing if a row is wrong."""
    began = time.monotonic()
    with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES) as file:
        rows, errors, sha256 = read(pieces, format, checker, file, every_piece, header)
        phases = {"read": time.monotonic() - began}
        if not errors.count:
            began = time.monotonic()
            file.seek(0)
            cursor.copy_expert(f"COPY {table} (row, orig_code, dest_code, day, price) FROM STDIN", file)
            phases["copy"] = time.monotonic() - began
    return Staged(rows, errors, sha256, phases)
