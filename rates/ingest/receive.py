"""Takes a body from the network to a file, a piece at a time: counted, hashed and limited."""

import hashlib
import socket
import tempfile
import threading

PIECE_BYTES = 65536
# What is larger waits on disk, so that many uploads at once do not fill the memory.
MEMORY_BYTES = 1024 * 1024


class TooLarge(Exception):
    """More bytes than are taken."""


class Broken(Exception):
    """The body did not arrive whole."""


class TooSlow(Broken):
    """The body did not arrive in time."""


class Received:
    """A body: where it is, how long it is, its SHA-256 in hexadecimal."""

    def __init__(self, file, size, sha256):
        self.file = file
        self.size = size
        self.sha256 = sha256

    def parts(self, size):
        """The body in parts of this size, from its beginning."""
        self.file.seek(0)
        while piece := self.file.read(size):
            yield piece


def receive(stream, limit, expected, seconds, connection=None):
    """Reads the stream to its end. `expected` is the length that was announced, if one was."""
    file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)
    late = threading.Event()
    timer = threading.Timer(seconds, _give_up, (connection, late))
    timer.daemon = True
    timer.start()
    try:
        size, digest = 0, hashlib.sha256()
        while piece := stream.read(PIECE_BYTES):
            size += len(piece)
            if size > limit:
                raise TooLarge(f"the body is longer than {limit} bytes")
            digest.update(piece)
            file.write(piece)
            if late.is_set():
                break
        if late.is_set():
            raise TooSlow(f"the body did not arrive within {seconds} seconds")
        if expected is not None and size != expected:
            raise Broken(f"the body ended after {size} of {expected} bytes")
        return Received(file, size, digest.hexdigest())
    except BaseException:
        file.close()
        raise
    finally:
        timer.cancel()


def drain(stream, most, seconds, connection=None):
    """Takes what a refused client still sends, up to a limit and for a moment: or it would not read the answer."""
    timer = threading.Timer(seconds, _give_up, (connection, threading.Event()))
    timer.daemon = True
    timer.start()
    try:
        while most > 0 and (piece := stream.read(min(PIECE_BYTES, most))):
            most -= len(piece)
    except (OSError, ValueError):
        pass
    finally:
        timer.cancel()


def _give_up(connection, late):
    late.set()
    if connection is not None:
        try:
            # A read that waits for the client comes back with what it has.
            connection.shutdown(socket.SHUT_RD)
        except OSError:
            pass
