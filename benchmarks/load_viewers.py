"""The viewers of `./dev bench load`, a process of their own: each wants the stream of one job's events.

Who is refused comes again when the refusal says (Retry-After), who is served when the stream says (retry).
Plain sockets, so that 200 of them cost little of the machine that they share with the service. Prints a line
when each has had a first answer, and at its end how often each status came.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import Counter
from urllib.parse import urlsplit

RESUME_SECONDS = 1.0  # as every stream of ours says


async def view(url: str, statuses: Counter[int]) -> None:
    """Looks on until it is canceled."""
    parts = urlsplit(url)
    lines = (f"GET {parts.path} HTTP/1.1", f"Host: {parts.hostname}", "Accept: text/event-stream")
    request = "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")
    while True:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        statuses[int(head.split()[1])] += 1
        while await reader.read(65_536):
            pass  # the events, or the refusal, to the end
        writer.close()
        asked = re.search(r"(?i)^retry-after: (\d+)", head, re.MULTILINE)
        await asyncio.sleep(float(asked[1]) if asked else RESUME_SECONDS)


async def main(url: str, viewers: int) -> None:
    """Looks on until SIGTERM."""
    over, statuses = asyncio.Event(), Counter[int]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tasks = [asyncio.create_task(view(url, statuses)) for _ in range(viewers)]
    while statuses.total() < viewers:
        await asyncio.sleep(0.05)
    print("all there", flush=True)
    await over.wait()
    for task in tasks:
        task.cancel()
    print(", ".join(f"{status} x {count}" for status, count in sorted(statuses.items())))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
