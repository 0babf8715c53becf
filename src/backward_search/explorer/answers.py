"""How requests are answered: with the headers of every answer, or with a refusal."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""How ASGI takes an answer."""

POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
)
"""No browser fetches anything from elsewhere for this page, whatever it contains."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer. No other site shows this page or its images, or is told its address, which has the state."""


class RefusedError(Exception):
    """A request that is not answered; ends where the guard answers it."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        """With the status of the answer, what the client is told, and further headers."""
        super().__init__(words)
        self.status, self.words, self.headers = status, words, dict(headers or {})


async def refuse(send: Send, refusal: RefusedError) -> None:
    """Answer with a refusal."""
    body = json.dumps({"detail": refusal.words}).encode()
    await answer(send, refusal.status, body, {"Content-Type": "application/json", **refusal.headers})


async def answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a whole answer."""
    lines = {"Content-Length": str(len(body)), "Cache-Control": "no-store", **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class Answer:
    """How an answer is sent: with the headers of every one, and knowing whether it has begun."""

    def __init__(self, send: Send) -> None:
        """It has not."""
        self._send, self._has, self._whole = send, False, False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send a part."""
        if message["type"] == "http.response.start":
            self._has = True
            kept = [(name, value) for name, value in message.get("headers", []) if _is_kept(name)]
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*kept, *own]}
        self._whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, refusal: RefusedError) -> None:
        """Answer with a refusal; what has begun is cut short instead."""
        if not self._has:
            return await refuse(self, refusal)
        if not self._whole:
            await self._send({"type": "http.response.body", "body": b""})


def _is_kept(name: bytes) -> bool:
    small = name.lower()
    return small.decode("latin-1") not in HEADERS and not small.startswith(b"access-control-")
