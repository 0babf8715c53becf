"""Who may ask the explorer what, and how much: the layer before the page, as an ASGI application.

It lets through the paths that the page uses and no others, knows under which names it is asked (so that no name that an
attacker lets point here counts as this server), whose page asks, who is logged in, and how much each client asks for.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import ipaddress
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LOG = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

USED = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/hits|/(?:assets|static|svelte|thumbnail)/.+"
    r"|/gradio_api/(?:upload|upload_progress|startup-events|queue/(?:join|data)|run/\w+|(?:call|heartbeat)/[\w/]+"
    r"|file=.+)"
)
"""The paths that the page asks for."""
STREAMS = re.compile(r"/gradio_api/(?:queue/data|heartbeat/.*|upload_progress|call/\w+/.*)")
"""Those whose answers go on as long as the page is open."""
UPLOAD = "/gradio_api/upload"
ADDRESS = re.compile(r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//|\\\\)")
"""How an address begins, as of the web or of another machine's share."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
KNOWN, MISSES, MISSES_FOR = 10_000, 20, 600.0
"""Clients that are remembered; failed logins of one, within so many seconds, after which it is not listened to."""
DRAINED = 2**23
"""Bytes that are taken, and dropped, of a request that is too large."""
DEPTH = 32
"""Levels of what a client sends as JSON."""


@dataclass(frozen=True)
class Rules:
    """What is allowed.

    Attributes:
        hosts: the names under which the explorer is asked, beside any IP address: another name could be one that a
            foreign page lets point here.
        users: by name the password; empty where nobody is asked for one.
        policy: the page's content security policy.
        upload_bytes: of the largest file.
        body_bytes: of any other request.
        target_bytes: of a path with its query.
        a_second: requests of one client a second, on average.
        at_once: that one client may have begun and not ended.
        burst: those it may send without having been quiet before.
        seconds: that a request may take which is no stream.
    """

    hosts: frozenset[str] = frozenset({"localhost"})
    users: Mapping[str, str] = field(default_factory=dict)
    policy: str = "default-src 'self'"
    upload_bytes: int = 20 * 10**6
    body_bytes: int = 256 * 1024
    target_bytes: int = 8 * 1024
    a_second: float = 50.0
    at_once: int = 40
    burst: int = 600
    seconds: float = 120.0


class Refusal(Exception):  # noqa: N818  it is an answer
    """What is answered in place of the page."""

    def __init__(self, status: int, words: str, *more: tuple[bytes, bytes]) -> None:
        """A status, what is said, and further headers."""
        super().__init__(words)
        self.status, self.words, self.more = status, words, more


@dataclass
class _Client:
    """What is remembered of a client, known by its IP address."""

    left: float
    since: float
    begun: int = 0
    missed: int = 0
    missed_at: float = 0.0


class Guard:
    """Lets through what the rules allow."""

    def __init__(self, app: App, rules: Rules) -> None:
        """Stand before an application."""
        self._app, self._rules = app, rules
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, self._with_headers(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        client = self._client((scope.get("client") or ("", 0))[0])
        try:
            headers = _headers(scope)
            self._check_size(scope, headers)
            self._check_place(scope, headers)
            self._count(client)
            await self._check_user(client, headers)
            receive = await self._body(scope, headers, receive)
        except Refusal as refusal:
            if refusal.status == 413:
                await _drained(receive)
            await _answer(send, refusal)
            return
        client.begun += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            client.begun -= 1

    async def _pass_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            limit = None if STREAMS.fullmatch(scope["path"]) else self._rules.seconds
            await asyncio.wait_for(self._app(scope, receive, noting), limit)
        except Refusal as refusal:
            if not begun:
                await _answer(send, refusal)
        except TimeoutError:
            if not begun:
                await _answer(send, Refusal(503, "it took too long"))
        except Exception:
            LOG.exception("a request failed")
            if not begun:
                await _answer(send, Refusal(500, "something went wrong: the server's log says what"))

    def _client(self, address: str) -> _Client:
        now = time.monotonic()
        client = self._clients.pop(address, None) or _Client(self._rules.burst, now)
        self._clients[address] = client
        if len(self._clients) > KNOWN:
            idle = next((name for name, each in self._clients.items() if not each.begun), "")
            self._clients.pop(idle, None)
        return client

    def _check_size(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
        target = len(scope.get("raw_path") or scope["path"].encode()) + len(scope.get("query_string", b""))
        if target > self._rules.target_bytes:
            raise Refusal(414, "the address is too long")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise Refusal(405, "only GET, HEAD and POST are answered")
        if not USED.fullmatch(scope["path"]):
            raise Refusal(404, "there is nothing here")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most(scope):
            raise Refusal(413, "that is too large")

    def _most(self, scope: MutableMapping[str, Any]) -> int:
        upload = scope["path"] == UPLOAD
        return self._rules.upload_bytes + 64 * 1024 if upload else self._rules.body_bytes

    def _check_place(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
        """Refuse what is asked under a foreign name, or by a foreign page."""
        host = headers.get("host", "")
        if not (name := _name_of(host)) or not (_is_address(name) or name in self._rules.hosts):
            raise Refusal(421, "this name is not served here: ask by the address, or start with --allowed_hosts NAME")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal(403, "another page asks")
        visit = scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not visit:
            raise Refusal(403, "another page asks")

    def _count(self, client: _Client) -> None:
        """Let a client ask so much and no more."""
        now, rules = time.monotonic(), self._rules
        client.left = min(rules.burst, client.left + (now - client.since) * rules.a_second)
        client.since = now
        if client.left < 1 or client.begun >= rules.at_once:
            raise Refusal(429, "too many requests: wait a little", (b"retry-after", b"2"))
        client.left -= 1

    async def _check_user(self, client: _Client, headers: Mapping[str, str]) -> None:
        if not self._rules.users:
            return
        now = time.monotonic()
        if now - client.missed_at > MISSES_FOR:
            client.missed = 0
        if client.missed >= MISSES:
            raise Refusal(429, "too many failed logins: wait ten minutes", (b"retry-after", b"600"))
        if _is_user(headers.get("authorization", ""), self._rules.users):
            client.missed = 0
            return
        if "authorization" in headers:
            client.missed, client.missed_at = client.missed + 1, now
            await asyncio.sleep(1)
        ask = (b"www-authenticate", b'Basic realm="Backward Search", charset="UTF-8"')
        raise Refusal(401, "log in with the name and password that --auth names", ask)

    async def _body(self, scope: MutableMapping[str, Any], headers: Mapping[str, str], receive: Receive) -> Receive:
        """What the application receives: an upload bounded, anything else read and looked at first."""
        if scope["method"] != "POST":
            return receive
        if scope["path"] == UPLOAD:
            return _bounded(receive, self._most(scope))
        body = await asyncio.wait_for(_whole(_bounded(receive, self._most(scope))), self._rules.seconds)
        if body:
            _check_content(body)
        return _replayed(body, receive)

    def _with_headers(self, send: Send) -> Send:
        more = (*HEADERS, (b"content-security-policy", self._rules.policy.encode()))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in more}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
                message["headers"] = [*kept, *more]
            await send(message)

        return sending


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """By name in small letters.

    Raises:
        Refusal: one that says who asks is there twice.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "authorization", "content-length"):
            raise Refusal(400, f"there are two {key}s")
        found[key] = value.decode("latin-1")
    return found


def _name_of(host: str) -> str:
    """The name in a Host header, without its port; "" for none.

    >>> [_name_of(host) for host in ("Localhost:80", "[::1]:80", "a.example", "a b", "x:y")]
    ['localhost', '::1', 'a.example', '', '']
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d+)?", host, re.ASCII)
    return (found[1] or found[2]).lower() if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_user(header: str, users: Mapping[str, str]) -> bool:
    """Whether a header of HTTP's basic authentication names a user; it takes as long whoever is named."""
    try:
        kind, _, coded = header.partition(" ")
        name, colon, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    right = False
    for own, secret in users.items():
        same = hmac.compare_digest(own.encode(), name.encode())
        right |= same & hmac.compare_digest(secret.encode(), password.encode())
    return right and bool(colon) and kind.lower() == "basic"


def _check_content(body: bytes) -> None:
    """Refuse JSON that is none, is too deep, or names a file by an address, which the server would fetch.

    Raises:
        Refusal: it is such.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "that is no JSON") from None
    level = [content]
    for _ in range(DEPTH):
        if not level:
            return
        for value in level:
            if isinstance(value, dict) and _names_an_address(value):
                raise Refusal(403, "a file is sent, not named by an address")
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    raise Refusal(400, "that is nested too deeply")


def _names_an_address(value: Mapping[str, Any]) -> bool:
    """Whether a value is a file for Gradio whose place is an address and not a path here."""
    path = value.get("path")
    return path is not None and not (isinstance(path, str) and not ADDRESS.match(path))


def _bounded(receive: Receive, most: int) -> Receive:
    """What is received, up to so many bytes."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise Refusal(413, "that is too large")
        return message

    return bounded


async def _drained(receive: Receive) -> None:
    """Take what is still sent, up to a bound: a client that is cut off while it sends does not hear why."""
    left, end = DRAINED, time.monotonic() + 5
    with contextlib.suppress(TimeoutError):
        while left > 0:
            message = await asyncio.wait_for(receive(), max(0.1, end - time.monotonic()))
            left -= len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                return


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(400, "the request was cut off")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A request whose body was read already."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _answer(send: Send, refusal: Refusal) -> None:
    body = refusal.words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *refusal.more]})
    await send({"type": "http.response.body", "body": body})
