"""Who may ask the explorer what: asked over a socket, as an attacker would."""

import base64
import http.client
import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from extras import needs

needs("web", "gradio")

import uvicorn
from explored import MOST, lay_explored

from backward_search.cli import ExploreOptions, parse
from backward_search.errors import OptionError
from backward_search.explorer.guard import Rules
from backward_search.explorer.handlers import without_places
from backward_search.explorer.page import application, thumbnails_below
from backward_search.stages.explore import explorer_of


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return lay_explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def served(options, tmp_path_factory):
    """Starts the page under some rules; gives its port."""
    running = []

    def start(rules: Rules) -> int:
        folder = tmp_path_factory.mktemp("served")
        app = application(explorer_of(options, thumbnails_below(folder)), folder, MOST, rules)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        running.append((server, thread))
        return port

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port(served):
    return served(Rules())


def ask(port: int, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str):
    """Status, headers and body of an answer; in a header's name _ stands for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, given)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def post(port: int, path: str, content: object, **headers: str):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ask(port, path, "POST", data, Content_Type="application/json", **headers)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:7860", 200),
        ("[::1]:7860", 200),
        ("10.1.2.3", 200),
        ("LOCALHOST", 200),
        ("attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("127.0.0.1@attacker.example", 421),
        ("", 421),
    ],
)
def test_only_this_machines_names_are_served(port, host, status):
    assert ask(port, Host=host)[0] == status


def test_a_foreign_page_gets_nothing(port):
    own = {"Host": "localhost:1"}
    assert ask(port, "/hits", Origin="http://localhost:1", **own)[0] == 200
    for origin in ("http://attacker.example", "null", "http://localhost:2", "https://localhost"):
        assert ask(port, "/hits", Origin=origin, **own)[0] == 403, origin
    for site in ("cross-site", "same-site"):
        assert ask(port, "/hits", Sec_Fetch_Site=site, **own)[0] == 403
        assert ask(port, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", **own)[0] == 200  # a link to it
        assert ask(port, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", **own)[0] == 403
    assert post(port, "/gradio_api/queue/join", {}, Origin="http://attacker.example", **own)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/proxy=http://127.0.0.1/", "/proxy=http://127.0.0.1/", "/monitoring", "/login", "/docs"),
        *("/openapi.json", "/gradio_api/info", "/gradio_api/component_server", "/gradio_api/reset", "/robots.txt"),
        *("/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/vibe-code", "/gradio_api/mcp/", "/deep_link"),
    ],
)
def test_what_the_page_does_not_use_is_not_there(port, path):
    for method in ("GET", "POST"):
        assert ask(port, path, method)[0] == 404
    assert ask(port, "/", "DELETE")[0] == 405


@pytest.fixture
def fetched(monkeypatch):
    """What the server would fetch, if it did."""
    from gradio import processing_utils

    asked = []

    async def fetch(url: str, *more: object):
        asked.append(url)
        raise ValueError("fetched")

    for name in ("async_ssrf_protected_get", "async_ssrf_protected_download"):
        monkeypatch.setattr(processing_utils, name, fetch)
    return asked


@pytest.mark.parametrize("way", ["gradio_api/queue/join", "gradio_api/run/upload", "gradio_api/call/upload"])
@pytest.mark.parametrize(
    "place",
    [
        *("http://192.0.2.1/a.png", "https://192.0.2.1/a.png", " http://192.0.2.1/a.png", "HTTP://192.0.2.1/a.png"),
        *("ftp://192.0.2.1/a.png", "file:///etc/passwd", "//192.0.2.1/a.png", "data:image/png;base64,AAAA"),
        *("\\\\192.0.2.1\\share\\a.png", ["http://192.0.2.1/a.png"], {"path": "http://192.0.2.1/a.png"}),
    ],
)
def test_an_upload_named_by_an_address_is_never_fetched(port, fetched, way, place):
    file = {"path": place, "meta": {"_type": "gradio.FileData"}}
    nested = {"data": [{"video": [file]}], "fn_index": 4, "session_hash": "a"}
    for content in ({"data": [file], "fn_index": 4, "session_hash": "a"}, nested):
        assert post(port, f"/{way}", content)[0] == 403
    assert fetched == []


def test_an_address_beside_a_path_is_not_fetched_either(port, fetched):
    file = {"path": "a.png", "url": "http://192.0.2.1/a.png", "meta": {"_type": "gradio.FileData"}}
    post(port, "/gradio_api/run/upload", {"data": [file], "session_hash": "a"})
    assert fetched == []


def test_what_is_too_large_is_refused(port):
    assert ask(port, "/hits?" + "a" * 9000)[0] == 414
    assert post(port, "/gradio_api/run/query", b" " * 300_000)[0] == 413
    assert post(port, "/gradio_api/run/query", b"[" * 200_000)[0] == 400
    assert post(port, "/gradio_api/run/query", b'{"data": ' + b"[" * 40 + b"]" * 40 + b"}")[0] == 400
    assert post(port, "/gradio_api/run/query", b"{")[0] == 400
    with socket.create_connection(("127.0.0.1", port), 10) as raw:  # chunks without a length
        raw.sendall(b"POST /gradio_api/run/query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(6):
            raw.sendall(chunk)
        raw.sendall(b"0\r\n\r\n")
        assert b" 413 " in raw.recv(1000)


WRONG = [None, True, -1, 1e9, 1.5, 1e308, "x", "1", [], ["x"], [None], {}, {"a": 1}, "x" * 10_000, "../../x", [[1]]]
ENDPOINTS = {"run": 1, "query": 1, "upload": 1, "method": 1, "strength": 1, "open": 0, "figure": 0}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_wrong_value_is_an_error_without_paths_and_traceback(port, name, options, capfd):
    roots = [str(getattr(options, f"{kind}_root")) for kind in ("data", "weight", "result")]
    for number, wrong in enumerate(WRONG):
        for data in ([wrong] * ENDPOINTS[name], [wrong] * (ENDPOINTS[name] + 3), wrong):
            content = {"data": data, "session_hash": f"{name}{number}"}
            status, _, body = post(port, f"/gradio_api/run/{name}", content)
            assert status in (200, 400, 403, 404, 422, 500), (wrong, body)
            assert b"Traceback" not in body
            assert b"site-packages" not in body
            if status != 200:
                assert not any(root.encode() in body for root in roots), body
    capfd.readouterr()


def test_messages_lose_the_folders_of_their_paths():
    said = "'/home/me/data/a b.npy' is not /x/y.npy: see http://a.example/b/c or 1/2 and ./d/e"
    assert without_places(said) == "'a b.npy' is not y.npy: see http://a.example/b/c or 1/2 and ./d/e"


def test_a_hostile_link_changes_nothing(port, options):
    roots = [Path(getattr(options, f"{kind}_root")) for kind in ("data", "weight", "result")]
    before = [(file, file.stat().st_mtime_ns) for root in roots for file in sorted(root.rglob("*"))]
    for link in (
        *("run=../../etc", "query=1e9", "query=-1", "is.birds=<script>alert(1)</script>", "strength=nan"),
        *("upload=http://192.0.2.1/a.png", "upload=../../x", "method=__import__", "beside=1&way=1&method=context"),
        *("is.a.b=c", "not.=", "=", "&&&", "query=%00", "run=%2e%2e%2f", "is.birds=001.Kind_of_Bird_1&way=1"),
    ):
        for path in ("/?", "/hits?"):
            status, headers, body = ask(port, path + link.replace("<", "%3C").replace(">", "%3E"))
            assert status in (200, 404, 422), link
            assert b"<script>alert(1)" not in body or headers["content-type"] == "application/json"
    assert before == [(file, file.stat().st_mtime_ns) for root in roots for file in sorted(root.rglob("*"))]


def test_headers_guard_the_page(port):
    headers = ask(port)[1]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers or "uvicorn" in headers["server"]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_without_a_login_nothing_is_served(served, options):
    port = served(Rules(users={"anna": "sé:cret", "ben": "x"}))
    run = next(Path(options.weight_root).iterdir()).name
    for path in ("/", "/hits", f"/thumbnail/{run}/0.jpg", "/config", "/gradio_api/file=/etc/passwd", "/theme.css"):
        status, headers, body = ask(port, path)
        assert (status, headers["www-authenticate"][:5]) == (401, "Basic")
        assert len(body) < 100
        assert ask(port, path, **basic("anna", "sé:cret"))[0] == ask(port, path, **basic("ben", "x"))[0] != 401
    started = time.monotonic()
    for wrong in (basic("anna", "x"), basic("", ""), {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}):
        assert ask(port, **wrong)[0] == 401
    assert time.monotonic() - started > 4  # each a second


def test_who_fails_to_log_in_is_not_listened_to(served, monkeypatch):
    from backward_search.explorer import guard

    monkeypatch.setattr(guard, "MISSES", 1)
    port = served(Rules(users={"anna": "secret"}))
    assert ask(port, **basic("anna", "x"))[0] == 401
    assert ask(port, **basic("anna", "secret"))[0] == 429


def test_a_client_asks_for_so_much_and_no_more(served):
    port = served(Rules(a_second=0.01, burst=5))
    assert [ask(port, "/hits")[0] for _ in range(7)] == [200] * 5 + [429] * 2


def test_what_takes_too_long_ends(served, options, monkeypatch):
    from backward_search.explorer.handlers import Handlers

    monkeypatch.setattr(Handlers, "quickly", lambda *_: time.sleep(3))
    port = served(Rules(seconds=0.5))
    started = time.monotonic()
    assert ask(port, "/hits")[0] == 503
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--host", "0.0.0.0"], "can be reached by others"),
        (["--host", "192.168.0.4"], "can be reached by others"),
        (["--host", "::"], "can be reached by others"),
        (["--host", "somewhere"], "can be reached by others"),
        (["--host", "0.0.0.0", "--auth", "anna"], "USER:PASSWORD"),
        (["--host", "0.0.0.0", "--auth", "anna:x", "--no_auth", "True"], "contradict"),
    ],
)
def test_others_are_let_in_on_purpose_alone(words, wrong):
    with pytest.raises(OptionError, match=wrong):
        parse(ExploreOptions, "", words)


def test_a_login_can_come_from_the_environment(monkeypatch):
    assert parse(ExploreOptions, "", ["--host", "::1"]).users == {}
    monkeypatch.setenv("BACKWARD_SEARCH_AUTH", "anna:a:b,ben:c")
    options = parse(ExploreOptions, "", ["--host", "0.0.0.0"])
    assert options.users == {"anna": "a:b", "ben": "c"}
    assert {"localhost", "0.0.0.0"} <= replace(options, allowed_hosts="Name.example").hosts - {"Name.example"}
    assert "name.example" in replace(options, allowed_hosts="Name.example").hosts
