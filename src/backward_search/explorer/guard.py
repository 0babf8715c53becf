"""Stands before the page and lets in what the page needs, from whom it is meant for: all else is refused.

In this order: the name that is asked for, how much the client has asked for already, whether there is such a route,
whether another site asks, whether the client has logged in, and what it sends.
"""

import asyncio
import logging
import re
import urllib.parse
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backward_search.explorer.answers import Answer, RefusedError, Send, answer
from backward_search.explorer.asked import Asked
from backward_search.explorer.hosts import Hosts, check_site
from backward_search.explorer.limits import CLIENTS, AtOnce, Limits, Scope, Spent, client_of
from backward_search.explorer.login import Logins, cookie_line, cookie_name, login_page, token_in

LOG = logging.getLogger(__name__)
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

WRONG_SECONDS = 1.0
"""How long a wrong password waits for its answer."""
SMALLEST = 0.25
"""Of the largest file: a smaller one counts as this much."""
PART, HEAD = 255, 32_000
"""Bytes of what stands between two strokes of a path, and of all headers."""
ABOUT_A_FILE = 100_000
"""Bytes that come with a file that is uploaded."""


@dataclass(frozen=True)
class Entrance:
    """Who may come in.

    Attributes:
        public: whether others than this machine reach it.
        names: of this server, beside those that a machine has for itself.
        users: by name their passwords; none where everybody may come in.
        port: it listens at.
        limits: what a client may ask for.
    """

    public: bool = False
    names: frozenset[str] = frozenset()
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int = 7860
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Route:
    """Something that may be asked for.

    Attributes:
        method: GET or POST.
        path: a pattern of the whole path.
        kind: how it is treated; "page" may be led to by links, a "stream" lasts as long as its page is open.
    """

    method: str
    path: str
    kind: str = ""


ROUTES = (
    Route("GET", r"/", "page"),
    Route("POST", r"/login", "login"),
    Route("GET", r"/hits"),
    Route("GET", r"/hits\.csv", "sheet"),
    Route("GET", r"/thumbnail/[^/]+/[^/]+\.jpg"),
    Route("GET", r"/(?:assets|static)/[\w.@+~/-]+"),
    Route("GET", r"/(?:favicon\.ico|theme\.css|manifest\.json|config|gradio_api/app_id)"),
    Route("GET", r"/gradio_api/file=(.+)", "file"),
    Route("GET", r"/gradio_api/heartbeat/[0-9a-z_-]{1,64}", "stream"),
    Route("GET", r"/gradio_api/upload_progress", "stream"),
    Route("GET", r"/gradio_api/queue/data", "events"),
    Route("GET", r"/gradio_api/call/\w{1,40}/[0-9a-f]{1,64}", "stream"),
    Route("POST", r"/gradio_api/(?:queue/join|run/predict)", "call"),
    Route("POST", r"/gradio_api/call/(\w{1,40})", "call"),
    Route("POST", r"/gradio_api/cancel", "cancel"),
    Route("POST", r"/gradio_api/upload", "upload"),
)
"""All that may be asked for; Gradio has more."""


@dataclass
class Request:
    """A request, as far as it is known before its body."""

    scope: Scope
    receive: Receive
    send: Send
    headers: dict[str, list[str]]
    client: str

    @property
    def length(self) -> int:
        """The bytes of its body as it announces them, -1 where it does not."""
        said = self.headers.get("content-length", [])
        return int(said[0]) if len(said) == 1 and re.fullmatch(r"\d{1,15}", said[0]) else -1

    @property
    def query(self) -> str:
        """What stands after the question mark."""
        return str(self.scope["query_string"].decode("latin-1"))


class Pages(Protocol):
    """What is kept of open pages, by their sessions."""

    def forget(self, session: str) -> None:
        """Keep nothing more of one."""

    def tidy(self, session: str) -> None:
        """Keep no more of one than is needed."""

    def clean(self) -> None:
        """Delete files that nobody needs any more, where it is time to."""


class Guard:
    """The page's application, with this before it."""

    def __init__(self, app: App, entrance: Entrance, asked: Asked, upload_mb: int, pages: Pages) -> None:
        """Guard an application.

        Args:
            app: it.
            entrance: who may come in.
            asked: what its functions may be sent.
            upload_mb: the largest image file that is taken, in megabytes.
            pages: that are open.
        """
        self._app, self._asked, self._limits, self._open = app, asked, entrance.limits, pages
        self._upload_bytes, self._cookie = upload_mb * 10**6 + ABOUT_A_FILE, cookie_name(entrance.port)
        self._hosts, self._logins = Hosts(entrance.names), Logins(entrance.users)
        self._spent = {name: Spent(getattr(entrance.limits, name)) for name in ("requests", "events", "figures")}
        self._spent |= {name: Spent(getattr(entrance.limits, name)) for name in ("logins", "uploaded")}
        self._at_once = AtOnce(entrance.limits.at_once)
        self._pages: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        begun = Answer(send)
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in scope["headers"]:
            headers[name.decode("latin-1").lower()].append(value.decode("latin-1"))
        request = Request(scope, receive, begun, dict(headers), client_of(scope))
        try:
            with self._at_once.one(request.client):
                await self._admitted(request)
        except RefusedError as refusal:
            await begun.refuse(refusal)
        except TimeoutError:
            await begun.refuse(RefusedError(503, "this took too long"))
        except Exception as fault:  # what is said of it is for the log, not for the client
            LOG.error("%s failed", scope["path"][:200].encode("unicode_escape").decode(), exc_info=fault)
            await begun.refuse(RefusedError(500, "something went wrong here: the log of the server says what"))

    async def _admitted(self, request: Request) -> None:
        own = request.scope.get("server") or ("", 0)
        if sum(len(name) + len(value) for name, value in request.scope["headers"]) > HEAD:
            raise RefusedError(431, "the headers are too long")
        self._hosts.check(request.headers, str(own[0]))
        self._spent["requests"].check(request.client)
        route, named = self._route(request)
        check_site(request.headers, may_be_visited=route.kind == "page")
        if len(request.query) > self._limits.query_bytes:
            raise RefusedError(414, "the address is too long")
        async with asyncio.timeout(None if route.kind in ("stream", "events") else self._limits.seconds):
            if route.kind == "login":
                return await self._log_in(request)
            token = token_in(request.headers.get("cookie", []), self._cookie)
            if self._logins.needed and not self._logins.knows(token):
                return await self._ask_who(request, route)
            receive = await self._received(request, route, named)
            await self._app(request.scope, receive, request.send)

    def _route(self, request: Request) -> tuple[Route, str]:
        """What is asked for, and what it is called where the pattern has a name for it."""
        method, path = request.scope["method"], request.scope["path"]
        found = [(route, match) for route in ROUTES if (match := re.fullmatch(route.path, path))]
        wrong = any(part == ".." or len(part.encode("utf-8", "replace")) > PART for part in path.split("/"))
        if not found or wrong or "\\" in path or "\0" in path:
            raise RefusedError(404, "there is no such page")
        for route, match in found:
            if method == route.method or (method, route.method) == ("HEAD", "GET"):
                return route, match[1] if match.groups() else ""
        raise RefusedError(405, "this cannot be done", {"Allow": found[0][0].method})

    async def _received(self, request: Request, route: Route, named: str) -> Receive:
        """What is sent, after it has been checked, for the page to receive."""
        if route.kind == "upload":
            return self._uploading(request)
        if route.kind == "file" and not self._asked.serves(named):
            raise RefusedError(404, "there is no such file")
        if route.kind == "events":
            session = urllib.parse.parse_qs(request.query).get("session_hash", [""])[0]
            if session not in self._pages.get(request.client, ()):
                raise RefusedError(404, "there is no such page: load it again")
        if route.kind == "sheet":  # of several methods, perhaps
            self._spent["events"].check(request.client)
        if route.method == "GET":
            return request.receive
        body = await _whole(request, self._limits.json_bytes)
        if route.kind == "cancel":
            return _again(request, self._asked.cancelled(body))
        call = self._asked.call(body, named or None)
        self._spent["events"].check(request.client)
        if call.function.name == "figure":
            self._spent["figures"].check(request.client)
        self._keep_page(request.client, call.session)
        self._open.tidy(call.session)
        self._open.clean()
        return _again(request, call.body)

    def _uploading(self, request: Request) -> Receive:
        if request.length < 0:
            raise RefusedError(411, "how long is the file?")
        if request.length > self._upload_bytes:
            raise RefusedError(413, f"the most is --upload_mb {(self._upload_bytes - ABOUT_A_FILE) // 10**6}")
        self._open.clean()
        self._spent["uploaded"].check(request.client, max(SMALLEST, request.length / self._upload_bytes))
        return request.receive  # no longer than it announces: the protocol sees to that

    def _keep_page(self, client: str, session: str) -> None:
        """Know that a client has a page open, and forget those that are too many."""
        own = self._pages.setdefault(client, OrderedDict())
        own[session] = None
        own.move_to_end(session)
        self._pages.move_to_end(client)
        gone = [own.popitem(last=False)[0]] if len(own) > self._limits.pages else []
        if len(self._pages) > CLIENTS:
            gone += self._pages.popitem(last=False)[1]
        for each in gone:
            self._open.forget(each)

    async def _ask_who(self, request: Request, route: Route) -> None:
        if route.kind != "page":
            raise RefusedError(401, "log in first")
        await self._show_login(request, "", request.query)

    async def _log_in(self, request: Request) -> None:
        body = (await _whole(request, 4000)).decode("utf-8", "replace")
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body, max_num_fields=10).items()}
        link = urllib.parse.urlencode(urllib.parse.parse_qsl(form.get("link", "")))
        self._spent["logins"].check(request.client)
        token = self._logins.enter(form.get("user", ""), form.get("password", ""))
        if not token:
            LOG.warning("a login from %s failed", request.client)
            await asyncio.sleep(WRONG_SECONDS)
            return await self._show_login(request, "User or password is wrong.", link)
        line = cookie_line(self._cookie, token, secure=request.scope.get("scheme") == "https")
        await answer(request.send, 303, b"", {"Location": f"/?{link}" if link else "/", "Set-Cookie": line})

    async def _show_login(self, request: Request, said: str, link: str) -> None:
        page = login_page(said, link)
        await answer(request.send, 401, page, {"Content-Type": "text/html; charset=utf-8"})


async def _whole(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        RefusedError: it is too long.
    """
    if request.length > most:
        raise RefusedError(413, "this is too much")
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body")) and message["type"] == "http.request"
        if len(body) > most:
            raise RefusedError(413, "this is too much")
    return bytes(body)


def _again(request: Request, body: bytes) -> Receive:
    """Let the application receive another body in place of the one that has been read."""
    other = (b"content-length", b"content-type", b"transfer-encoding")
    kept = [(name, value) for name, value in request.scope["headers"] if name.lower() not in other]
    kept += [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    request.scope["headers"] = kept
    first = True

    async def receive() -> MutableMapping[str, Any]:
        nonlocal first
        if not first:
            return await request.receive()
        first = False
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
