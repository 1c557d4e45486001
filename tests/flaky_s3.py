"""A proxy before an S3 server (or any HTTP/1.1 server) that fails as real ones do, at random by a seed.

    with FlakyProxy("http://127.0.0.1:5000", seed=1, faults={"slow_down": 0.1, "cut": 0.05}) as proxy:
        environment["AWS_ENDPOINT_URL"] = proxy.url
        ...
    proxy.done   # how often each fault was done, and "passed"

| fault | what happens |
| --- | --- |
| slow_down | 503 SlowDown; nothing reaches the server |
| too_many | 429; nothing reaches the server |
| error | 500 InternalError; nothing reaches the server |
| denied | 403 AccessDenied; nothing reaches the server |
| reset | the connection is cut before anything reaches the server |
| lost | the server does it, then the connection is cut instead of an answer |
| failed_late | the server does it, and the answer is 500 |
| cut | the server does it, and its answer ends in the middle of the body (answers without a body: before it) |
| stall | nothing for `stall_seconds`, then as if nothing had been |

`faults` may be changed at any time. With `conditions=False` it knows no conditional puts (501), as some servers.
PUTs pass one at a time, so that a server of the tests that looks and then writes is as atomic as a real one.

From a shell, for processes that are killed: python tests/flaky_s3.py --upstream URL --port 5001 --seed 1 cut=0.05
"""

from __future__ import annotations

import argparse
import http.client
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

FAULTS = ("slow_down", "too_many", "error", "denied", "reset", "lost", "failed_late", "cut", "stall")
_REFUSED = {
    "slow_down": (503, "SlowDown", "Please reduce your request rate."),
    "too_many": (429, "TooManyRequests", "Please reduce your request rate."),
    "error": (500, "InternalError", "We encountered an internal error. Please try again."),
    "denied": (403, "AccessDenied", "Access Denied"),
    "failed_late": (500, "InternalError", "We encountered an internal error. Please try again."),
    "conditions": (501, "NotImplemented", "A header you provided implies functionality that is not implemented."),
}
_HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


class FlakyProxy:
    """Passes requests on while the context is open, and fails some of them.

    Args:
        upstream: The server's URL.
        seed: Of the dice; with one request at a time a run repeats itself.
        faults: How likely each fault is, of the table above; together at most 1.
    """

    def __init__(
        self,
        upstream: str,
        *,
        seed: int = 0,
        faults: Mapping[str, float] | None = None,
        conditions: bool = True,
        stall_seconds: float = 1.0,
        port: int = 0,
    ) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.faults = dict(faults or {})
        self.conditions, self.stall_seconds = conditions, stall_seconds
        self.done: Counter[str] = Counter()
        self.sent_bytes = 0
        self._dice, self._lock, self.one_put = random.Random(seed), threading.Lock(), threading.Lock()
        self.counting = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FlakyProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def throw(self) -> str:
        """The fault of the next request, or "passed"."""
        with self._lock:
            left = self._dice.random()
            fault = "passed"
            for name, likelihood in self.faults.items():
                left -= likelihood
                if left < 0:
                    fault = name
                    break
            self.done[fault] += 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # clients keep connections open
    request_queue_size = 128
    proxy: FlakyProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that are killed cut connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def do(self) -> None:
        proxy = self.server.proxy
        fault = proxy.throw()
        if fault == "reset":
            self._cut()
            return
        body = self._body()
        if fault == "stall":
            time.sleep(proxy.stall_seconds)
        if not proxy.conditions and self.headers.get("If-None-Match"):
            fault = "conditions"
        if fault in ("slow_down", "too_many", "error", "denied", "conditions"):
            self._refuse(fault)
            return
        answer, content = self._passed_on(body)
        if fault == "lost":
            self._cut()
        elif fault == "failed_late":
            self._refuse(fault)
        else:
            self._answer(answer, content, cut=fault == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do  # noqa: N815 (names of http.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _passed_on(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        # The Host stays that of the proxy: it is part of what the client signed.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS - {"host"}}
        headers["Content-Length"] = str(len(body))
        proxy = self.server.proxy
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=60)
        try:
            with proxy.one_put if self.command == "PUT" else threading.Lock():
                upstream.request(self.command, self.path, body=body, headers=headers)
                answer = upstream.getresponse()
                return answer, answer.read()
        finally:
            upstream.close()

    def _answer(self, answer: http.client.HTTPResponse, content: bytes, *, cut: bool) -> None:
        if cut and not content:
            self._cut()
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        with self.server.proxy.counting:
            self.server.proxy.sent_bytes += len(content)
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self._cut()

    def _refuse(self, fault: str) -> None:
        status, code, message = _REFUSED[fault]
        content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="A proxy before an S3 server that fails at random.")
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("faults", nargs="*", metavar="FAULT=LIKELIHOOD")
    given = parser.parse_args(arguments)
    faults = {name: float(value) for name, _, value in (fault.partition("=") for fault in given.faults)}
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FAULTS)}")
    with FlakyProxy(given.upstream, seed=given.seed, faults=faults, port=given.port) as proxy:
        print(proxy.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
