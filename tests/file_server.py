"""A small file server on 127.0.0.1 that misbehaves on demand, for tests of downloads."""

import http.server
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Published:
    """A file, and how the server hands it out.

    Attributes:
        content: its bytes.
        etag: its ETag, quotes included; "" for none.
        modified: its Last-Modified; "" for none.
        ranges: whether Range is understood.
        if_range: whether If-Range is understood.
        length: "full" (Content-Length), "none" (the end of the connection is the end of the file) or "chunked".
        cuts: for the first answers, after how many bytes the connection is cut; None for not at all.
        cut: how: "close", "reset" or "stall".
        first: for the first answers, other content than `content`.
        statuses: for the first requests, an error instead.
        retry_after: header of those errors.
        seconds_per_chunk: how long the server takes for each kilobyte.
        asked: the Range headers of all requests so far, "" for none.
        if_ranges: the If-Range headers of all requests so far.
    """

    content: bytes
    etag: str = '"v1"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    length: str = "full"
    cuts: list[int | None] = field(default_factory=list)
    cut: str = "close"
    first: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    seconds_per_chunk: float = 0.0
    asked: list[str] = field(default_factory=list)
    if_ranges: list[str] = field(default_factory=list)


class FileServer(http.server.ThreadingHTTPServer):
    """Serves `files` by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Published] = {}

    def publish(self, path: str, content: bytes, **manner) -> tuple[str, Published]:
        """Publish a file and return its URL and its record."""
        self.files[path] = Published(content, **manner)
        return f"http://127.0.0.1:{self.server_port}{path}", self.files[path]


@contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.close_connection = True
        file = self.server.files.get(self.path.split("?")[0])
        if file is None:
            return self.send_error(404)
        file.asked.append(self.headers.get("Range", ""))
        file.if_ranges.append(self.headers.get("If-Range", ""))
        if file.statuses:
            return self._refuse(file.statuses.pop(0), {"Retry-After": file.retry_after} if file.retry_after else {})
        content = file.first.pop(0) if file.first else file.content
        start = self._start(file)
        if start > 0 and start >= len(content):
            return self._refuse(416, {"Content-Range": f"bytes */{len(content)}"})
        self._head(file, content, start)
        self._body(file, content[start:], file.cuts.pop(0) if file.cuts else None)

    def _start(self, file):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not file.ranges:
            return 0
        condition = self.headers.get("If-Range", "")
        same = not condition or not file.if_range or condition in (file.etag, file.modified)
        return int(asked[1]) if same else 0

    def _refuse(self, status, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _head(self, file, content, start):
        self.send_response(206 if start else 200)
        headers = {"ETag": file.etag, "Last-Modified": file.modified}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if file.length == "full":
            headers["Content-Length"] = str(len(content) - start)
        elif file.length == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _body(self, file, content, cut):
        for place in range(0, len(content[:cut]), 1024):
            chunk = content[:cut][place : place + 1024]
            head, tail = (b"%x\r\n" % len(chunk), b"\r\n") if file.length == "chunked" else (b"", b"")
            try:
                self.wfile.write(head + chunk + tail)
            except OSError:
                return
            time.sleep(file.seconds_per_chunk)
        if cut is None and file.length == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        elif cut is not None and file.cut == "stall":
            time.sleep(1.0)
        elif cut is not None and file.cut == "reset":
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
