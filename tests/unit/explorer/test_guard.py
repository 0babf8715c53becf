"""The guard before an application that says what came through: names, sites, logins, limits, and sizes."""

import asyncio
import json
import urllib.parse

import pytest

from backward_search.explorer import guard, login
from backward_search.explorer.answers import HEADERS
from backward_search.explorer.asked import Asked, Function
from backward_search.explorer.guard import Entrance, Guard
from backward_search.explorer.limits import Limits, Rate

FUNCTIONS = {0: Function("open", ()), 1: Function("", ("state", "number")), 2: Function("figure", ("state",))}


async def echo(scope, receive, send):
    """Answer with the body that came through."""
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    headers = [(b"Content-Security-Policy", b"none"), (b"access-control-allow-origin", b"*"), (b"x-own", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body or scope["path"].encode()})


def guarded(tmp_path, app=echo, **settings):
    pages = Pages()
    made = Guard(app, Entrance(**settings), Asked(FUNCTIONS, tmp_path), 1, pages)
    made.forgotten = pages.forgotten
    return made


class Pages:
    def __init__(self):
        self.forgotten = []
        self.forget = self.forgotten.append

    def tidy(self, session):
        pass

    def clean(self):
        pass


def ask(app, path="/", method="GET", body=b"", client="10.0.0.1", server="127.0.0.1", parts=None, **headers):
    """The status, the headers and the body of an answer; None as a header leaves it out."""
    path, _, query = path.partition("?")
    given = {"host": "localhost:7860", "content_length": str(len(body)) if body else None} | headers
    lines = [(name.replace("_", "-").encode(), text.encode()) for name, text in given.items() if text is not None]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": lines}
    scope |= {"client": (client, 5), "server": (server, 7860), "scheme": "http"}
    chunks, sent = list(parts or [body]), []

    async def receive():
        part = chunks.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(chunks)}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert not [part for part in sent[1:-1] if not part.get("more_body")]  # nothing follows the last part
    said = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], said, b"".join(part.get("body", b"") for part in sent[1:])


def status(app, *args, **kwargs):
    return ask(app, *args, **kwargs)[0]


def joined(app, sent, **kwargs):
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return ask(app, "/gradio_api/queue/join", "POST", body, **kwargs)


CALL = {"fn_index": 1, "data": [None, 3], "session_hash": "abc"}


@pytest.mark.parametrize(
    ("host", "good"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST:80", "127.0.0.1:7860", "[::1]:1", "mine.example", "mine.")),
        *((host, False) for host in ("evil.example", "localhost.evil.example", "10.0.0.9", "", "a b", None)),
        *(
            (host, False)
            for host in ("localhost@evil.example", "localhost:80:80", "evil.example#localhost", "2130706433")
        ),
    ],
)
def test_another_name_is_not_this_server(tmp_path, host, good):
    app = guarded(tmp_path, names=frozenset({"mine.example", "mine"}))
    assert status(app, "/hits", host=host) == (200 if good else 421)


def test_the_address_that_was_asked_is_a_name(tmp_path):
    assert status(guarded(tmp_path), "/hits", host="10.0.0.9:7860", server="10.0.0.9") == 200
    assert status(guarded(tmp_path), "/hits", host="10.0.0.9", server="10.0.0.8") == 421
    assert status(guarded(tmp_path), "/hits", host="[2001:db8::5]", server="2001:db8::5") == 200


def test_two_names_are_none(tmp_path):
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/hits", "query_string": b"", "headers": headers, "client": None}
    asyncio.run(guarded(tmp_path)(scope, None, send))
    assert sent[0]["status"] == 421
    assert status(guarded(tmp_path), "/hits", x_forwarded_host="evil.example") == 421


@pytest.mark.parametrize(
    ("headers", "page", "data"),
    [
        ({}, 200, 200),
        ({"origin": "http://localhost:7860", "sec_fetch_site": "same-origin"}, 200, 200),
        ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, 200, 200),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, 200, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, 403, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, 403, 403),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"}, 403, 403),
        ({"origin": "http://evil.example"}, 403, 403),
        ({"origin": "http://localhost:7861"}, 403, 403),
        ({"origin": "null"}, 403, 403),
    ],
)
def test_another_site_asks_for_nothing_but_the_page(tmp_path, headers, page, data):
    app = guarded(tmp_path)
    assert status(app, "/", **headers) == page
    assert status(app, "/hits", **headers) == data
    assert status(app, "/thumbnail/a/1.jpg", **headers) == data
    assert joined(app, CALL, **headers)[0] == data


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/proxy=http://10.0.0.1/", "/gradio_api/component_server", "/gradio_api/info", "/openapi.json"),
        *("/gradio_api/file=http://10.0.0.1/x", "/gradio_api/file=/etc/passwd", "/assets/../../etc/passwd", "//"),
        *(
            "/gradio_api/run/other",
            "/gradio_api/stream/a",
            "/http://evil/",
            "/assets/..",
            "/static/a\\b",
            "/docs",
            "/a\0",
        ),
    ],
)
def test_what_the_page_does_not_need_is_not_there(tmp_path, path):
    for method in ("GET", "POST", "HEAD", "PUT"):
        assert status(guarded(tmp_path), path, method) in (404, 405)


def test_methods_are_those_of_the_page(tmp_path):
    assert [status(guarded(tmp_path), "/hits", method) for method in ("HEAD", "POST", "DELETE", "TRACE")] == [
        *(200, 405, 405, 405)
    ]
    assert status(guarded(tmp_path), "/gradio_api/queue/join") == 405


def test_every_answer_has_the_headers_and_no_other_site_is_let_read(tmp_path):
    for path in ("/", "/nothing"):
        _, headers, _ = ask(guarded(tmp_path), path)
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in headers if "allow-origin" in name or name == "Content-Security-Policy"]
    assert ask(guarded(tmp_path))[1]["x-own"] == "1"
    assert ask(guarded(tmp_path, users={"me": "password"}))[1]["x-frame-options"] == "DENY"


def test_no_socket_is_opened(tmp_path):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guarded(tmp_path)({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.fixture
def closed(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "WRONG_SECONDS", 0.0)
    return guarded(tmp_path, users={"me": "long, and é", "you": "another one"}, limits=Limits(logins=Rate(4, 0.001)))


def log_in(app, user, password, link="", **kwargs):
    body = urllib.parse.urlencode({"user": user, "password": password, "link": link}).encode()
    return ask(app, "/login", "POST", body, **kwargs)


def test_nothing_is_seen_without_a_login(closed):
    said, _, page = ask(closed, "/?is.style=<a>")
    assert said == 401
    assert b'name="password"' in page
    assert b"<a>" not in page
    assert b"&lt;a&gt;" in page
    for path in ("/hits", "/thumbnail/a/1.jpg", "/thumbnail/upload/a.jpg", "/config", "/assets/a.js", "/theme.css"):
        assert status(closed, path) == 401, path
    for path in ("/gradio_api/heartbeat/a", "/gradio_api/queue/data", "/gradio_api/file=/x"):
        assert status(closed, path) == 401, path
    assert joined(closed, CALL)[0] == 401
    assert status(closed, "/gradio_api/upload", "POST", b"x") == 401


def test_who_knows_the_password_comes_in_with_a_cookie_that_no_script_reads(closed):
    said, headers, _ = log_in(closed, "me", "long, and é", "query=3&is.style=a b")
    assert (said, headers["location"]) == (303, "/?query=3&is.style=a+b")
    cookie, *flags = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    assert status(closed, "/hits", cookie=f"x=1; {cookie}") == 200
    assert joined(closed, CALL, cookie=cookie)[0] == 200
    for wrong in (cookie[:-1], cookie + "x", cookie.split("=")[0] + "=", "x=1"):
        assert status(closed, "/hits", cookie=wrong) == 401


@pytest.mark.parametrize(
    "link", ["//evil.example", "\r\nSet-Cookie: a=b", "javascript:alert(1)", "https://evil.example/"]
)
def test_a_login_leads_nowhere_else(closed, link):
    where = log_in(closed, "you", "another one", link)[1]["location"]
    assert where.startswith("/")
    assert not where.startswith("//")
    assert "\n" not in where


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("me", "another one"),
        ("me", ""),
        ("", ""),
        ("ME", "long, and é"),
        ("me", "long, and é "),
        ("you\0", "another one"),
    ],
)
def test_a_wrong_password_is_none(closed, user, password):
    said, headers, _ = log_in(closed, user, password)
    assert said == 401
    assert "set-cookie" not in headers


def test_passwords_cannot_be_tried_for_long(closed):
    tried = [log_in(closed, "me", f"wrong {i}")[0] for i in range(6)]
    assert tried == [401] * 4 + [429] * 2
    assert log_in(closed, "me", "long, and é")[0] == 429
    assert log_in(closed, "me", "long, and é", client="10.0.0.2")[0] == 303
    assert log_in(closed, "me", "long, and é", client="10.0.0.2", origin="http://evil.example")[0] == 403


def test_a_wrong_password_waits(tmp_path, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(guard.asyncio, "sleep", sleep)
    app = guarded(tmp_path, users={"me": "password"})
    log_in(app, "me", "password")
    assert waited == []
    log_in(app, "me", "wrong")
    assert waited == [guard.WRONG_SECONDS]
    assert guard.WRONG_SECONDS >= 0.5


def test_every_user_is_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(a, b):
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(login.hmac, "compare_digest", compare)
    logins = login.Logins({"a": "1", "b": "22", "c": "333"})
    for user, password in (("a", "1"), ("c", "333"), ("nobody", "x" * 1000)):
        compared.clear()
        logins.enter(user, password)
        assert compared == [(32, 32)] * 6


def test_a_login_ends():
    now = [0.0]
    logins = login.Logins({"a": "1"}, lambda: now[0])
    token = logins.enter("a", "1")
    assert logins.knows(token)
    now[0] = login.HOURS * 3600 + 1.0
    assert not logins.knows(token)
    tokens = [logins.enter("a", "1") for _ in range(login.SESSIONS + 1)]
    assert [logins.knows(tokens[0]), logins.knows(tokens[1])] == [False, True]
    assert len(set(tokens)) == len(tokens)


def test_requests_are_counted_for_each_client(tmp_path):
    app = guarded(tmp_path, limits=Limits(requests=Rate(3, 0.001)))
    assert [status(app, "/hits") for _ in range(5)] == [200, 200, 200, 429, 429]
    assert "retry-after" in ask(app, "/hits")[1]
    assert status(app, "/hits", client="10.0.0.2") == 200


def test_events_figures_and_uploads_are_counted(tmp_path):
    app = guarded(tmp_path, limits=Limits(events=Rate(2, 0.001)))
    assert [joined(app, CALL)[0] for _ in range(3)] == [200, 200, 429]
    app = guarded(tmp_path, limits=Limits(events=Rate(2, 0.001)))
    assert [status(app, "/hits.csv") for _ in range(3)] == [200, 200, 429]
    assert status(app, "/hits") == 200
    app = guarded(tmp_path, limits=Limits(figures=Rate(1, 0.001)))
    figure = {"fn_index": 2, "data": [None], "session_hash": "a"}
    assert [joined(app, figure)[0] for _ in range(2)] == [200, 429]
    assert joined(app, CALL)[0] == 200
    app = guarded(tmp_path, limits=Limits(uploaded=Rate(2, 0.001)))
    assert [status(app, "/gradio_api/upload", "POST", b"0" * 900_000) for _ in range(3)] == [200, 200, 429]


def test_a_client_is_answered_so_many_at_once(tmp_path):
    async def slow(scope, receive, send):
        await asyncio.sleep(0.2)
        await echo(scope, receive, send)

    app = guarded(tmp_path, slow, limits=Limits(at_once=2))

    async def all_of():
        return await asyncio.gather(*(asyncio.to_thread(status, app, "/hits", client=c) for c in "aaab"))

    said = asyncio.run(all_of())
    assert sorted(said[:3]) == [200, 200, 429]
    assert said[3] == 200
    assert status(app, "/hits", client="a") == 200


def test_a_request_takes_so_long_at_most(tmp_path):
    async def stuck(scope, receive, send):
        await asyncio.sleep(5)

    app = guarded(tmp_path, stuck, limits=Limits(seconds=0.05))
    said, _, body = ask(app, "/hits")
    assert said == 503
    assert json.loads(body) == {"detail": "this took too long"}


def test_a_fault_is_not_spoken_of(tmp_path, caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("/home/me/secret")

    said, _, body = ask(guarded(tmp_path, broken), "/hits")
    assert said == 500
    assert b"secret" not in body
    assert b"Error" not in body
    assert "secret" in caplog.text


def test_a_fault_after_the_answer_is_for_the_log_alone(tmp_path, caplog):
    async def late(scope, receive, send):
        await echo(scope, receive, send)
        raise RuntimeError("late")

    said, _, body = ask(guarded(tmp_path, late), "/hits")
    assert (said, body) == (200, b"/hits")
    assert "late" in caplog.text

    async def halfway(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise RuntimeError

    assert ask(guarded(tmp_path, halfway), "/hits")[2] == b"a"


def test_sizes_are_bounded(tmp_path):
    app = guarded(tmp_path)
    assert status(app, "/?" + "a" * 16_001) == 414
    assert status(app, "/hits?" + "a" * 16_000) == 200
    assert joined(app, {**CALL, "x": "a" * 256_000})[0] == 413
    parts = [b"a" * 100_000] * 4
    assert ask(app, "/gradio_api/queue/join", "POST", parts=parts)[0] == 413
    assert status(app, "/gradio_api/upload", "POST", b"x", content_length="1200000") == 413
    assert status(app, "/gradio_api/upload", "POST", b"x", content_length=None) == 411
    assert status(app, "/gradio_api/upload", "POST", b"x", content_length="-5") == 411
    assert ask(app, "/login", "POST", b"a" * 4001)[0] == 413


def test_only_what_is_known_comes_through(tmp_path):
    app = guarded(tmp_path)
    sent = {
        **CALL,
        "batched": True,
        "oauth_token": "x",
        "event_id": "y",
        "simple_format": True,
        "event_data": {"row": 3},
    }
    assert json.loads(joined(app, sent)[2]) == {**CALL, "event_data": {"row": 3}, "trigger_id": None}
    named = ask(app, "/gradio_api/call/open", "POST", b'{"data": []}')[2]
    assert re_session(json.loads(named)) == {"data": [], "session_hash": True}


def re_session(sent):
    return {**sent, "session_hash": len(sent["session_hash"]) == 32}


def test_pages_that_are_too_many_are_forgotten_and_others_are_not_listened_to(tmp_path):
    app = guarded(tmp_path, limits=Limits(pages=2))
    for session in ("a", "b", "a", "c"):
        joined(app, {**CALL, "session_hash": session})
    joined(app, {**CALL, "session_hash": "z"}, client="10.0.0.2")
    assert app.forgotten == ["b"]
    heard = [status(app, f"/gradio_api/queue/data?session_hash={session}") for session in ("a", "b", "c", "z", "")]
    assert heard == [200, 404, 200, 404, 404]
