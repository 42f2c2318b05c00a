"""Bearer tokens: who may send batches."""

import hashlib
import hmac


def _digest(text):
    # Of equal length, so that a comparison tells nothing about the token's.
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


class Tokens:
    """The tokens of the setting, apart by commas: two of them while one takes the other's place."""

    def __init__(self, setting):
        self.digests = [_digest(token.strip()) for token in setting.split(",") if token.strip()]

    def configured(self):
        return bool(self.digests)

    def allow(self, header):
        """Whether an Authorization header carries one of them. Takes the same time for all wrong ones."""
        scheme, _, given = (header or "").partition(" ")
        digest = _digest(given.strip())
        # All are compared, whichever fits.
        fits = [hmac.compare_digest(digest, known) for known in self.digests]
        return scheme.lower() == "bearer" and any(fits)
