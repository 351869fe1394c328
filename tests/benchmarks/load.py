"""Many clients at once against a running server: `python tests/benchmarks/load.py --port 8000 --pid PID`.

Each client keeps one connection and sends short messages, one a request, as fast as they are answered. Prints one line
of JSON: requests, errors, latency in ms (p50, p99, largest), requests a second, and the server's memory in MiB after
the first fifth of the requests, halfway and at the end.
"""

import argparse
import asyncio
import json
import time

import psutil

MESSAGES = [
    "Free entry: text WIN to 80086 for a chance of a prize",
    "ok, see you at home tonight",
    "Can you call me when you are there? It is about the weekend",
    "Your account is locked, confirm your details at the address below",
]
MIB = 2**20


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> int:
    """The status of one request; the whole answer is read."""
    body = json.dumps({"texts": [text]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    n = int(answered.split("content-length: ")[1].split("\r\n")[0])
    await reader.readexactly(n)
    return int(answered.split()[1])


async def load(port: int, pid: int, n_clients: int, n_requests: int) -> dict[str, object]:
    server, latencies, errors = psutil.Process(pid), list[float](), 0
    total, memory = n_clients * n_requests, list[float]()

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(n_requests):
            began = time.perf_counter()
            status = await ask(reader, writer, f"{MESSAGES[(number + i) % len(MESSAGES)]} {number} {i}")
            latencies.append(1000 * (time.perf_counter() - began))
            errors += status != 200
            if len(latencies) in (total // 5, total // 2, total):
                memory.append(round(server.memory_info().rss / MIB, 1))
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*map(client, range(n_clients)))
    took_s = time.perf_counter() - began
    latencies.sort()
    return {
        "clients": n_clients,
        "requests": len(latencies),
        "errors": errors,
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[int(0.99 * len(latencies))], 1),
        "largest_ms": round(latencies[-1], 1),
        "requests_per_s": round(len(latencies) / took_s, 1),
        "memory_mib": memory,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--requests", type=int, default=50, help="of each client")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(load(given.port, given.pid, given.clients, given.requests))))
