"""Load on a service that must lose nothing: `python3 rates/tests/traffic.py --address 10.113.0.100 --token-file F --until END`."""
# Asks /rates, sends batches and asks for them, at a steady rate and without repeating anything, until the file END exists.
# Every answer is judged: its status, its content, and that of a batch all rows are seen or none. Problems go to standard error at
# once, figures to standard output at the end. Needs nothing but Python's own library; lab/production uses it.

import argparse
import asyncio
import datetime
import json
import pathlib
import random
import sys
import time

PORTS = "CNDLC CNTXG CNTAO CNLYG CNSGH CNNGB CNNKG CNFOC CNXMN CNGGZ CNSZX CNYTN NLRTM BEANR DEHAM DEBRV".split()
LANES = [(orig, dest) for orig in PORTS for dest in PORTS if orig != dest]
# What the dump has answers for, and what does not change while batches of later days come.
STILL = [
    f"/rates?date_from=2016-01-{first:02}&date_to=2016-01-{last:02}&orig_code={orig}&dest_code={dest}"
    for orig, dest in (("CNGGZ", "EETLL"), ("CNSGH", "NLRTM"), ("CNNGB", "DEHAM"), ("china_main", "northern_europe"))
    for first, last in ((1, 31), (10, 10), (5, 12))
]
# A client that waits longer takes the answer for lost; longer than the proxies wait.
PATIENCE_SECONDS = 45
# For the queue to become empty once all is sent.
QUEUE_SECONDS = 600
POLL_SECONDS = 1
# Of a hundred requests: how many ask for a batch, how many for prices of one.
SHARE_STATUS, SHARE_FRESH = 10, 10


class Lost(Exception):
    """No answer, or only a part of one."""


class Client:
    """One connection, kept open or made anew for each request."""

    def __init__(self, said, token, kept):
        self.said, self.token, self.kept = said, token, kept
        self.reader = self.writer = None

    async def ask(self, method, path, body=b""):
        try:
            return await asyncio.wait_for(self._ask(method, path, body), PATIENCE_SECONDS)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from None

    async def _ask(self, method, path, body):
        if self.writer is None:
            host, _, port = self.said.address.partition(":")
            self.reader, self.writer = await asyncio.open_connection(host, int(port or 80))
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.said.address}", f"Authorization: Bearer {self.token}"]
        if body:
            head += ["Content-Type: text/csv", f"Content-Length: {len(body)}"]
        if not self.kept:
            head.append("Connection: close")
        self.writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + body)
        await self.writer.drain()
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        content = await self.reader.readexactly(int(fields["content-length"])) if "content-length" in fields else await self.reader.read()
        if not self.kept or fields.get("connection", "").lower() == "close" or "content-length" not in fields:
            self.close()
        return status, content

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Tally:
    """What became of the requests of one kind."""

    def __init__(self):
        self.sent, self.good, self.failed, self.lost, self.times = 0, 0, 0, 0, []

    def told(self):
        times = sorted(self.times) or [0]
        median, late, slowest = (times[min(len(times) - 1, int(len(times) * share))] * 1000 for share in (0.5, 0.99, 1))
        return f"{self.sent} ({median:.0f} ms median, {late:.0f} ms 99th percentile, {slowest:.0f} ms slowest)"


class Traffic:
    """All of it."""

    def __init__(self, said, token):
        self.said, self.token = said, token
        self.chance = random.Random(said.seed)
        self.tallies = {kind: Tally() for kind in ("rates", "fresh", "status", "batch")}
        self.known, self.batches = {}, []
        self.until = pathlib.Path(said.until)
        self.tickets = asyncio.Queue()
        self.first_day = datetime.date.fromisoformat(said.first_day)

    async def ask(self, kind, client, method, path, judge, wanted=200, body=b""):
        """One request, counted; gives the answer where it is good."""
        tally = self.tallies[kind]
        tally.sent += 1
        began = time.monotonic()
        try:
            status, content = await client.ask(method, path, body)
            tally.times.append(time.monotonic() - began)
            problem = judge(content) if status == wanted else f"status {status}: {content[:200]!r}"
            if not problem:
                tally.good += 1
                return content
            tally.failed += 1
        except Lost as lost:
            tally.lost += 1
            problem = f"lost after {time.monotonic() - began:.3f} s, {lost}"
        print(f"{time.strftime('%H:%M:%S')} {method} {path}: {problem}", file=sys.stderr, flush=True)
        return None

    def still(self, path):
        def judge(content):
            return "" if self.known.setdefault(path, content) == content else f"another answer than before: {content[:200]!r}"
        return judge

    async def fresh(self, client):
        """Of a lane of a batch all rows are there or none; all once it was called loaded."""
        batch = self.chance.choice(self.batches[-self.said.recent:])
        lane = self.chance.randrange(len(LANES))
        due = batch["rows"] // len(LANES) + (lane < batch["rows"] % len(LANES))

        def judge(content):
            count = json.loads(content)["rates"][0]["count"]
            return "" if count in (0, due) else f"{count} of {due} rows are seen"
        orig, dest = LANES[lane]
        await self.ask("fresh", client, "GET",
                       f"/rates?date_from={batch['day']}&date_to={batch['day']}&orig_code={orig}&dest_code={dest}", judge)

    async def status(self, client, batch):
        content = await self.ask("status", client, "GET", f"/batches/{batch['id']}", self.sane(batch))
        if content and batch["status"] != "loaded":
            batch["status"] = json.loads(content)["status"]
        return batch["status"]

    def sane(self, batch):
        # Several may ask at once; what was known before this one asked is what counts.
        was_loaded = batch["status"] == "loaded"

        def judge(content):
            status = json.loads(content)["status"]
            if status not in ("queued", "running", "loaded"):
                return f"the batch is {status}: {content[:300]!r}"
            return f"the batch was loaded and is {status}" if was_loaded and status != "loaded" else ""
        return judge

    async def reader(self, kept):
        client = Client(self.said, self.token, kept)
        while await self.tickets.get():
            draw = self.chance.randrange(100)
            if self.batches and draw < SHARE_STATUS:
                await self.status(client, self.chance.choice(self.batches))
            elif self.batches and draw < SHARE_STATUS + SHARE_FRESH:
                await self.fresh(client)
            else:
                path = self.chance.choice(STILL)
                await self.ask("rates", client, "GET", path, self.still(path))
        client.close()

    async def pace(self):
        """Hands out tickets at the rate that is wanted, whether they can be kept up with or not."""
        began, handed = time.monotonic(), 0
        while not self.until.exists():
            due = int((time.monotonic() - began) * self.said.rate)
            for _ in range(due - handed):
                # Who cannot keep up is not to catch up for minutes.
                if self.tickets.qsize() < self.said.rate:
                    self.tickets.put_nowait(True)
            handed = max(handed, due)
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def send(self, number):
        large = self.said.large_every and number % self.said.large_every == self.said.large_every - 1
        rows = self.said.large_rows if large else self.said.rows
        day = (self.first_day + datetime.timedelta(days=number)).isoformat()
        lanes = [f"{orig},{dest},{day}," for orig, dest in LANES]
        body = "orig_code,dest_code,day,price\n" + "".join(f"{lanes[at % len(LANES)]}{1000 + at}\n" for at in range(rows))
        client = Client(self.said, self.token, False)
        content = await self.ask("batch", client, "POST", "/batches", lambda _: "", 202, body.encode())
        if content:
            self.batches.append({"id": json.loads(content)["id"], "day": day, "rows": rows, "status": "queued"})

    async def feed(self):
        number, under_way = 0, set()
        while not self.until.exists():
            task = asyncio.create_task(self.send(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
            await asyncio.sleep(self.said.batch_every)
        await asyncio.gather(*under_way)

    async def empty(self):
        """Waits until every accepted batch is loaded."""
        client = Client(self.said, self.token, False)
        ends = time.monotonic() + QUEUE_SECONDS
        for batch in self.batches:
            while batch["status"] != "loaded" and time.monotonic() < ends:
                if await self.status(client, batch) != "loaded":
                    await asyncio.sleep(POLL_SECONDS)

    async def run(self):
        first = Client(self.said, self.token, True)
        for path in STILL:
            await self.ask("rates", first, "GET", path, self.still(path))
        first.close()
        readers = [asyncio.create_task(self.reader(number % 2 == 0)) for number in range(self.said.clients)]
        feeder = asyncio.create_task(self.feed())
        seconds = await self.pace()
        dropped = self.tickets.qsize()
        while not self.tickets.empty():
            self.tickets.get_nowait()
        for _ in readers:
            self.tickets.put_nowait(False)
        await asyncio.gather(feeder, *readers)
        await self.empty()
        return seconds, dropped

    def report(self, seconds, dropped):
        """Figures for people; gives whether nothing was lost."""
        sent, failed, lost = (sum(getattr(tally, name) for tally in self.tallies.values()) for name in ("sent", "failed", "lost"))
        loaded = [batch for batch in self.batches if batch["status"] == "loaded"]
        print(f"{sent} requests in {seconds:.0f} s, {sent / seconds:.0f} a second: {failed} failed, {lost} lost")
        print("; ".join(f"{kind} {tally.told()}" for kind, tally in self.tallies.items() if tally.sent))
        print(f"{len(self.batches)} batches accepted with {sum(batch['rows'] for batch in self.batches)} rows, {len(loaded)} loaded")
        if dropped > self.said.rate / 2:
            print(f"the rate of {self.said.rate:.0f} a second was not kept: {dropped} requests were left at the end")
        return failed + lost == 0 and len(loaded) == len(self.batches)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--address", required=True, help="HOST or HOST:PORT of the entry")
    words.add_argument("--token-file", required=True, help="file with the bearer token")
    words.add_argument("--until", required=True, help="ends when this file exists")
    words.add_argument("--accepted", help="file that gets the id and rows of each accepted batch")
    words.add_argument("--first-day", default="2017-01-01", help="the first batch's day; each has one of its own")
    for name, fallback in (("clients", 48), ("rows", 2000), ("large-rows", 20000), ("large-every", 10), ("recent", 8), ("seed", 1)):
        words.add_argument(f"--{name}", type=int, default=fallback)
    words.add_argument("--rate", type=float, default=200, help="requests a second, without those that send")
    words.add_argument("--batch-every", type=float, default=4, help="seconds between batches")
    said = words.parse_args()
    token = pathlib.Path(said.token_file).read_text().strip()
    traffic = Traffic(said, token)
    figures = asyncio.run(traffic.run())
    if said.accepted:
        lines = sorted(f"{batch['id']} {batch['rows']}\n" for batch in traffic.batches)
        pathlib.Path(said.accepted).write_text("".join(lines))
    return 0 if traffic.report(*figures) else 1


if __name__ == "__main__":
    sys.exit(main())
