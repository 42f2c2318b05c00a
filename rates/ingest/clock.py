"""The time that a batch has: its deadline, and the limit of a single statement."""

import time


class DeadlineMissed(Exception):
    """The batch cannot be visible in time any more."""


class Clock:
    """Counts down to the deadline, where the client gave one."""

    def __init__(self, seconds_left, statement_limit):
        self.ends = None if seconds_left is None else time.monotonic() + seconds_left
        self.statement_limit = statement_limit

    def left(self):
        """Seconds until the deadline, or None. Past it: DeadlineMissed."""
        if self.ends is None:
            return None
        left = self.ends - time.monotonic()
        if left <= 0:
            raise DeadlineMissed("the deadline passed before the batch was loaded; nothing of it is visible")
        return left

    def missed(self):
        return self.ends is not None and time.monotonic() >= self.ends

    def statement(self):
        """Seconds that the next statement may take."""
        left = self.left()
        return self.statement_limit if left is None else min(left, self.statement_limit)

    def limit(self, cursor):
        """Lets the server cancel whatever comes next when its time is over."""
        cursor.execute("SET LOCAL statement_timeout = %s", (max(1, int(self.statement() * 1000)),))
