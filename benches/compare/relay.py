#!/usr/bin/env python3
"""A TCP relay that delays what it carries and counts round trips: relay.py LISTEN:PORT TARGET:PORT SECONDS [REPORT [RATE]]

SECONDS is the whole round trip; each direction takes half of it. RATE is how many bytes a second a direction takes at the most. When the relay is ended with TERM, or with each connection that ends, it
writes one line to REPORT: round trips, bytes to the target, bytes from it. A round trip is a burst of the client's that began after it had
been given something new; the first burst counts too, and so does the TCP handshake.
"""
import asyncio
import signal
import sys

CHUNK = 1 << 16
QUEUED = 8


class Line:
    """One connection: both directions, and what they tell of round trips."""

    def __init__(self):
        self.trips, self.sent, self.received = 1, 0, 0
        self.answered = True


async def carry(source, sink, delay, note, rate=None):
    """Hands pieces on `delay` seconds after they came, in order, without waiting for one before taking the next."""
    loop = asyncio.get_running_loop()
    # What a slow line has not taken yet is held back where it comes from, not here.
    pieces = asyncio.Queue(QUEUED if rate else 0)

    async def deliver():
        free = 0
        while True:
            due, piece = await pieces.get()
            if rate:
                free = max(free, loop.time()) + len(piece) / rate
                due = max(due, free)
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if not piece:
                break
            note(piece)
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()

    delivery = asyncio.create_task(deliver())
    try:
        while True:
            piece = await source.read(CHUNK)
            await pieces.put((loop.time() + delay, piece))
            if not piece:
                break
        await delivery
    except (ConnectionError, OSError):
        delivery.cancel()
        sink.close()


async def main(listen, target, trip, report, rate):
    host, port = listen.rsplit(":", 1)
    there, there_port = target.rsplit(":", 1)

    async def accept(reader, writer):
        line = Line()
        # The handshake with the target is not delayed: the one the client sees is made here at once, so it is waited for in its place.
        await asyncio.sleep(trip)
        out_reader, out_writer = await asyncio.open_connection(there, int(there_port))

        def to_target(piece):
            if line.answered:
                line.trips += 1
                line.answered = False
            line.sent += len(piece)

        def to_client(piece):
            line.answered = True
            line.received += len(piece)

        await asyncio.gather(
            carry(reader, out_writer, trip / 2, to_target, rate), carry(out_reader, writer, trip / 2, to_client, rate)
        )
        writer.close()
        out_writer.close()
        if report:
            with open(report, "a", encoding="utf-8") as file:
                file.write(f"{line.trips} {line.sent} {line.received}\n")

    server = await asyncio.start_server(accept, host, int(port))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    given = [*sys.argv[4:], None, None]
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), given[0], float(given[1]) if given[1] else None))
