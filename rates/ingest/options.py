"""What a client says beside the body: in the query, or in a header."""

import re

from ingest.formats import TYPES

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Printable, and no longer than an index likes.
KEY = re.compile(r"[\x21-\x7e]{1,200}")
ROWS_MAX = 2**40
DEADLINE_SECONDS_MAX = 7 * 86400


class Wrong(Exception):
    """What the client has to correct, and the status that says so."""

    def __init__(self, text, status=400):
        super().__init__(text)
        self.status = status


def _said(request, name, header):
    return (request.args.get(name) or request.headers.get(header) or "").strip()


def _whole(request, name, header, most):
    value = _said(request, name, header)
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", value) or not 1 <= int(value) <= most:
        raise Wrong(f"{name} ({header}) must be a whole number from 1 to {most}, not {value[:40]!r}")
    return int(value)


def read(request):
    """The options of a POST: format, key, sha256_said, rows, duplicates, deadline."""
    format = TYPES.get((request.mimetype or "").lower())
    if format is None:
        raise Wrong("Content-Type must be text/csv, application/x-ndjson or application/json", 415)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Wrong("Content-Encoding is not understood; send the body as it is", 415)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise Wrong("Idempotency-Key must be 1 to 200 printable ASCII characters without spaces")
    digest = _said(request, "sha256", "Batch-SHA256")
    if digest and not SHA256.fullmatch(digest):
        raise Wrong("sha256 (Batch-SHA256) must be 64 hexadecimal digits")
    duplicates = _said(request, "duplicates", "Batch-Duplicates") or "reject"
    if duplicates not in ("reject", "keep"):
        raise Wrong("duplicates (Batch-Duplicates) must be reject or keep")
    return {
        "format": format, "key": key, "sha256_said": digest.lower() or None, "duplicates": duplicates,
        "rows": _whole(request, "rows", "Batch-Rows", ROWS_MAX),
        "deadline": _whole(request, "deadline", "Batch-Deadline", DEADLINE_SECONDS_MAX),
    }
