"""The explorer's server: where it listens, and how long it waits for whom."""

import asyncio
import logging
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from uvicorn.protocols.http.h11_impl import H11Protocol

from backward_search.errors import OptionError
from backward_search.explorer.exploration import Explorer
from backward_search.explorer.guard import Entrance
from backward_search.explorer.limits import client_of
from backward_search.explorer.page import application, thumbnails_below

LOG = logging.getLogger(__name__)

CONNECTIONS, OF_ONE = 1000, 200
"""That are open at a time, of everybody and of one client."""
HEAD_SECONDS = 20.0
"""How long a connection may be open before it has said what it asks for."""
HEAD_BYTES = 32_000
"""Of a request's first line and headers."""


class BoundedProtocol(H11Protocol):  # type: ignore[misc]  # its package is an extra
    """Connections that have to ask for something in time, and of which one client has so many at most."""

    open_of: ClassVar[Counter[str]] = Counter()
    client_name, waiting = "", None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or hang up."""
        super().connection_made(transport)
        self.client_name = client_of({"client": self.client})
        self.open_of[self.client_name] += 1
        if self.open_of[self.client_name] > OF_ONE:
            transport.close()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Read on; the time for the head of a request runs until it is whole."""
        super().data_received(data)
        if self._is_answering():
            self._unset_waiting()
        elif self.waiting is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._unset_waiting()
        self.open_of[self.client_name] -= 1
        if not self.open_of[self.client_name]:
            del self.open_of[self.client_name]
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self.waiting = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up)

    def _unset_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _give_up(self) -> None:
        self.waiting = None
        if not self._is_answering():
            self.transport.close()


def configured(app: Any, host: str, port: int) -> dict[str, Any]:
    """How uvicorn is to serve an application: what can be bounded is."""
    return {
        "app": app,
        "host": host,
        "port": port,
        "log_level": "warning",
        "http": BoundedProtocol,
        "ws": "none",
        "server_header": False,
        "limit_concurrency": CONNECTIONS,
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": 1,  # an open page would keep it from ending
    }


def serve(explorer_of: Callable[[Path], Explorer], host: str, entrance: Entrance, upload_mb: int) -> None:
    """Serve the page until it is interrupted.

    Args:
        explorer_of: makes what is explored, with its thumbnails in a folder.
        host: the address that is listened at.
        entrance: who may come in, and the port.
        upload_mb: the largest image file that is taken, in megabytes.

    Raises:
        OptionError: the address cannot be listened at, or there is no run to explore.
    """
    import uvicorn

    torch.set_num_threads(1)  # one query is too little to share: more threads wait for one another
    _try_listening(host, entrance.port)  # before the runs are loaded
    with tempfile.TemporaryDirectory(prefix="explorer-") as folder:
        explorer = explorer_of(thumbnails_below(Path(folder)))
        app = application(explorer, Path(folder), upload_mb, entrance)
        explorer.answer_first()
        shown = f"[{host}]" if ":" in host else host
        LOG.info("open http://%s:%d in a browser; Ctrl+C ends it", shown, entrance.port)
        threading.Thread(target=explorer.warm_up, daemon=True).start()
        uvicorn.run(**configured(app, host, entrance.port))


def _try_listening(host: str, port: int) -> None:
    """Listen for a moment.

    Raises:
        OptionError: it cannot be done.
    """
    try:
        kind, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(kind[0]) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asked.bind(kind[4])
    except OSError as error:
        raise OptionError(f"cannot listen at {host}, --port {port}: {error.strerror}") from None
