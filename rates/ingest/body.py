"""What was sent, read back from the database part by part, whole or cut between lines."""

PART = "SELECT data FROM ingest.bodies WHERE batch_id = %s AND part = %s"


class Lost(Exception):
    """A part is not there any more."""


def part(cursor, batch, number):
    cursor.execute(PART, (batch, number))
    row = cursor.fetchone()
    if row is None:
        raise Lost(f"part {number} of batch {batch} is not stored")
    return bytes(row[0])


def pieces(cursor, batch, first, end, parts):
    """Parts `first` to `end` of `parts`, from the first line that begins in them to the end of the last that does."""
    skipping = first > 0
    for number in range(first, parts):
        data = part(cursor, batch, number)
        if skipping or number >= end:
            cut = data.find(b"\n")
            if number >= end:
                # The line that began before ends here, or in none of the parts so far.
                if not skipping:
                    yield data if cut < 0 else data[: cut + 1]
                if cut >= 0 or skipping:
                    return
                continue
            if cut < 0:
                continue
            data, skipping = data[cut + 1 :], False
        yield data
