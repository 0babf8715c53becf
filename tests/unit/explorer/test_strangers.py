"""The explorer as a server to those whom nobody knows: whatever they send, they get no more than the page."""

import io
import json
import logging
import os
import re
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from extras import needs

needs("web", "gradio")

from explored import lay_explored
from gradio import processing_utils
from PIL import Image
from rerecorded import rerecord
from served import Client, served

from backward_search.explorer import guard, server
from backward_search.explorer.guard import ROUTES, Entrance
from backward_search.explorer.limits import Limits, Rate

TRACE = re.compile(rb"Traceback|File \"|\.py\b|site-packages")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return lay_explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def running(options, tmp_path_factory):
    plenty = Rate(10**6, 10**6)
    limits = Limits(plenty, plenty, Rate(6, 0.001))
    with served(options, tmp_path_factory.mktemp("served"), Entrance(limits=limits)) as running:
        yield running


@pytest.fixture(scope="module")
def port(running):
    return running[0]


@pytest.fixture
def client(port, request):
    """Each test has an address, so that none spends what another may ask for."""
    number = abs(hash(request.node.name)) % 250 + 2
    return Client(port, f"127.0.1.{number}")


@pytest.fixture(scope="module")
def numbers(running):
    """By name the number of a function of the page, with the kinds of its values."""
    every = running[1]._asked._functions.items()
    return {function.name or str(number): (number, function.kinds) for number, function in every}


def picture(colour="red"):
    data = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def fetched(monkeypatch):
    """What Gradio would fetch; its own look at where an address leads is out of the way."""
    asked = []

    async def fetch(address, *args, **kwargs):
        asked.append(address)
        raise AssertionError

    for name in ("async_ssrf_protected_get", "async_ssrf_protected_download", "unsafe_download"):
        monkeypatch.setattr(processing_utils, name, fetch)
    monkeypatch.setattr(processing_utils, "ssrf_protected_download", lambda *a, **k: asked.append(a))
    return asked


ADDRESSES = (
    *("http://example.org/a.png", "https://example.org/a.png", "HTTPS://example.org/a.png", "http://127.0.0.1:1/a.png"),
    *(
        "file:///etc/passwd",
        "/gradio_api/proxy=http://example.org/a.png",
        "//example.org/a.png",
        "data:image/png;base64,",
    ),
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_upload(client, numbers, fetched, address):
    for file in (
        {"path": address, "meta": {"_type": "gradio.FileData"}},
        {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}},
        {"path": None, "url": address, "meta": {"_type": "gradio.FileData"}},
        {"url": address, "meta": {"_type": "gradio.FileData"}},
        address,
    ):
        assert client.call("upload", [file])[0] == 400
        for name, (number, kinds) in numbers.items():
            for place in range(len(kinds)):
                data = [None if place != i else file for i in range(len(kinds))]
                said = client.event(number, data, "aa")
                assert said[0] is not True or kinds[place] == "dropdown", name
    assert fetched == []


def test_an_upload_with_an_address_beside_it_is_the_upload(client, fetched):
    path = client.upload(picture())
    _, said = client.call(
        "upload", [{"path": path, "url": "http://example.org/a.png", "meta": {"_type": "gradio.FileData"}}]
    )
    assert "event: complete" in said
    assert "example.org" not in said
    assert fetched == []
    assert not Path(path).exists()  # it is kept as its pixels alone


def test_all_routes_but_the_pages_are_closed(client, running):
    """Of those that Gradio has now, and of those that it may have tomorrow."""
    every = set(_walk(running[1]._app.routes))
    assert len(every) > 60
    wanted = {
        path
        for _, path in every
        if any(re.fullmatch(route.path, re.sub(r"\{\w+(:path)?\}", "a1", path)) for route in ROUTES)
    }
    closed = {(method, path) for method, path in every if path not in wanted}
    names = {path for _, path in closed}
    assert {"/gradio_api/proxy={url_path:path}", "/gradio_api/component_server", "/gradio_api/info"} <= names
    assert {"/gradio_api/deep_link", "/gradio_api/openapi.json", "/gradio_api/vibe-edit", "/monitoring"} <= names
    for method, path in sorted(closed):
        status, headers, _ = client.ask(
            method, re.sub(r"\{\w+(:path)?\}", "a1", path).rstrip("\n"), b"{}" if method == "POST" else None
        )
        assert status == 404, path
        assert "server" not in {name.lower() for name in headers}
    assert {path for path in wanted if "{" not in path} == {
        *(
            "/",
            "/login",
            "/hits",
            "/hits.csv",
            "/favicon.ico",
            "/theme.css",
            "/manifest.json",
            "/config",
            "/gradio_api/app_id",
        ),
        *("/gradio_api/upload_progress", "/gradio_api/queue/data", "/gradio_api/queue/join", "/gradio_api/cancel"),
        "/gradio_api/upload",
    }


def _walk(routes, before=""):
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(inner, "routes"):
            prefix = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from _walk(inner.routes, before + getattr(route, "path", "") + prefix)
        elif hasattr(route, "path"):
            for method in getattr(route, "methods", None) or ("GET",):
                yield method, before + route.path


def test_functions_of_the_page_hold_known_kinds(numbers):
    kinds = {kind for _, each in numbers.values() for kind in each}
    assert kinds == {"state", "number", "slider", "checkbox", "dropdown", "multiselect", "file"}
    assert {"open", "run", "query", "upload", "method", "strength", "figure"} <= set(numbers)


WRONG = (
    *(
        None,
        "",
        "x",
        "3",
        0,
        -1,
        3.7,
        2**53,
        10**30,
        1e308,
        -1e308,
        True,
        [],
        [[]],
        {},
        {"row": 3},
        ["x"],
        [None],
        [1e308],
    ),
    *("a" * 100_000, ["a" * 1000] * 100, {"path": "/etc/passwd"}, "../../x", "<script>", "\0", "\ud800", "nan", "inf"),
)


def test_every_function_answers_every_value_cleanly(client, numbers, options, caplog):
    """With a call or a message, and no fault; that the wrong values leave no trace in what comes later is seen too."""
    client.event(numbers["open"][0], [], "fuzz")
    before = client.event(numbers["open"][0], [], "other")[1]["data"]
    with caplog.at_level(logging.ERROR):
        for name, (number, kinds) in numbers.items():
            if name == "figure":
                continue
            for place in [i for i, kind in enumerate(kinds) if kind != "state"] or [None]:
                for wrong in WRONG if place is not None else WRONG[::6]:
                    usual = {"state": None, "number": 3, "slider": 0.5, "checkbox": False, "file": None}
                    data = [usual.get(kind, []) if i != place else wrong for i, kind in enumerate(kinds)]
                    _is_clean(
                        client.event(number, data, "fuzz", wrong if place is None else None), options, (name, wrong)
                    )
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert _timeless(client.event(numbers["open"][0], [], "other")[1]["data"]) == _timeless(before)


def _timeless(data):
    return re.sub(r"\(\d+ ms", "", json.dumps(data))


def _is_clean(said, options, what):
    outcome, output = said
    text = json.dumps(output)
    assert outcome is True or outcome is False or outcome in (400, 413, 422), what
    if outcome is not True:
        assert not TRACE.search(text.encode()), what
        assert str(Path(options.data_root).parent) not in text, what
        assert output.get("error", output.get("detail")), what


@pytest.mark.parametrize("name", ["open", "run", "query", "upload", "method", "strength", "figure", "x", "__init__"])
def test_every_named_function_answers_every_value_cleanly(port, name):
    client = Client(port, f"127.0.2.{len(name) + ord(name[0])}")
    for wrong in (*WRONG, "r"):
        for data in ([wrong], [None, wrong], [], [wrong] * 3):
            status, said = client.call(name, data)
            assert status in (200, 400, 404, 413, 429), (name, wrong)
            assert "event: complete" in said or not TRACE.search(said.encode()), (name, wrong)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/queue/join",
        "/gradio_api/run/predict",
        "/gradio_api/cancel",
        "/gradio_api/call/open",
        "/gradio_api/upload",
        "/login",
    ],
)
def test_bodies_that_are_none_are_refused(client, path, monkeypatch):
    monkeypatch.setattr(guard, "WRONG_SECONDS", 0.0)
    for body in (b"", b"x", b"[]", b"null", b"\xff", b"[" * 50_000, b'{"data":[NaN],"fn_index":1}', b"{}" * 10):
        status, _, said = client.post(path, body)
        assert status in (400, 401, 404, 413, 422, 429), body[:20]
        assert not TRACE.search(said)
    status, _, said = client.ask("POST", path, b"--x", Content_Type="multipart/form-data; boundary=x")
    assert status in (400, 401, 404, 429) or said == b"[]"


LINKS = [
    *(
        "run=../../x",
        "run=/etc",
        "run=%00",
        "query=1e9",
        "query=-1",
        "query=nan",
        "query=" + "9" * 5000,
        "query=1_0",
        "query=",
    ),
    *("strength=nan", "strength=inf", "strength=1e308", "strength=-1", "strength=x", "strength=" + "9" * 5000),
    *("is.birds=%3Cscript%3Ealert(1)%3C/script%3E", "is.birds=" + "a" * 15_000, "is.x=y", "not.=", "is.birds="),
    *(
        "method=../x",
        "method=__class__",
        "method=",
        "upload=../../x",
        "upload=" + "a" * 64,
        "upload=/etc/passwd",
        "upload=%00",
    ),
    *("gallery=x", "gallery=-1", "gallery=" + "9" * 4000, "count=../x", "beside=../x", "beside=student"),
    *("beside=%3Cscript%3E", "way=../x", "beside=1&way=1", "a=b&a=c", "&&&", "=", "%", "%ff%fe", "run=a&run=b"),
    "&".join(f"is.birds=00{i % 4 + 1}.Kind_of_Bird_{i % 4 + 1}" for i in range(300)),
]


BACK = (
    *WRONG,
    *({"link": wrong} for wrong in (None, 3, "", "?", "&&&", "\0", "query=x", "?run=../../x", "?query=1e9")),
)


def test_going_back_to_anything_changes_nothing_but_the_view(client, numbers, options, caplog):
    number, _ = numbers["back"]
    client.event(numbers["open"][0], [], "back")
    with caplog.at_level(logging.ERROR):
        for wrong in BACK:
            _is_clean(client.event(number, [None], "back", wrong), options, wrong)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    done, said = client.event(number, [None], "back", {"link": "?query=4&not.birds=001.Kind_of_Bird_1"})
    assert done is True
    assert "not.birds=001.Kind_of_Bird_1" in json.dumps(said)


def snapshot(*folders):
    return {
        str(file): (file.stat().st_mtime_ns, file.stat().st_size)
        for folder in folders
        for file in Path(folder).rglob("*")
        if file.is_file()
    }


def test_a_hostile_link_changes_nothing_but_the_view(port, options, numbers):
    roots = (options.weight_root, options.data_root, options.result_root)
    client, before = Client(port, "127.0.3.1"), snapshot(*roots)
    for number, link in enumerate(LINKS):
        for path in ("/hits", "/hits.csv"):
            status, headers, body = client.get(f"{path}?{link}")
            assert status in (200, 404), link[:100]
            assert not TRACE.search(body)
            assert b"<script" not in body
            assert headers["content-type"].startswith(("application/json", "text/csv"))
        sent = {"data": [], "fn_index": numbers["open"][0], "session_hash": f"link{number}"}
        assert client.get(f"/?{link}")[0] == 200
        assert client.post(f"/gradio_api/queue/join?{link}", sent)[0] == 200
        said = client.get(f"/gradio_api/queue/data?session_hash=link{number}")[2]
        assert b'"success":true' in said, link[:100]
        assert b"<script" not in said
    assert snapshot(*roots) == before
    assert client.get("/hits?query=4")[0] == 200


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..%2fetc", "%2Fetc", "%00", "upload", "a" * 3000, "%ff", "..%5c..", "~"]
)
def test_thumbnails_and_files_are_named_by_nothing_of_the_server(client, options, name):
    run = next(Path(options.weight_root).iterdir()).name
    for path in (
        *(f"/thumbnail/{name}/3.jpg", f"/thumbnail/{run}/{name}.jpg", f"/thumbnail/upload/{name}.jpg"),
        *(f"/assets/{name}/x", f"/static/{name}", f"/gradio_api/file={name}", f"/gradio_api/file=/{name}/passwd"),
        f"/gradio_api/file={quote(str(Path(options.data_root) / name))}",
    ):
        status, _, body = client.get(path)
        assert status in (403, 404, 422), path
        assert b"root:" not in body
        assert str(Path(options.data_root).parent).encode() not in body


def test_what_is_kept_of_an_open_page_does_not_grow(client, numbers, running):
    (page,) = [inner for inner in _applications(running[1]._app) if hasattr(inner, "state_holder")]
    client.event(numbers["open"][0], [], "grow")
    sizes = []
    for row in range(6):
        assert client.event(numbers["query"][0], [None, row], "grow")[0] is True
        kept = page.state_holder.session_data["grow"]
        sizes.append((len(kept.blocks_config.blocks), len(kept.config_values)))
    assert sizes[-1] == sizes[1]
    running[1]._open.forget("grow")
    assert "grow" not in page.state_holder


def test_files_that_nobody_took_go(client, running, monkeypatch):
    pages = running[1]._open
    old, new = client.upload(picture("blue")), client.upload(picture("green"))
    os.utime(old, (0, 0))
    monkeypatch.setattr(pages, "_next", 0.0)
    newest = client.upload(picture("white"))
    assert [Path(file).exists() for file in (old, new, newest)] == [False, True, True]
    assert not Path(old).parent.exists()
    os.utime(new, (0, 0))
    client.upload(picture("black"))
    assert Path(new).exists()  # it is not time yet


def _applications(app):
    return [route.app for route in app.routes if hasattr(route, "app")]


@pytest.fixture(scope="module")
def broken(options, tmp_path_factory):
    """The options of an explorer that has a second run, which cannot be loaded, and that run's name."""
    weight = tmp_path_factory.mktemp("weight")
    (own,) = Path(options.weight_root).iterdir()
    shutil.copytree(own, weight / own.name)
    other = weight / own.name.replace("num_epoch1", "num_epoch2")
    shutil.copytree(own, other)
    config = (other / "config.json").read_text()
    assert '"num_epoch": 1' in config
    (other / "config.json").write_text(config.replace('"num_epoch": 1', '"num_epoch": 2'))
    rerecord(other / "manifest-B1.json", other / "config.json")
    (other / "embeddings" / "test.npy").unlink()
    return replace(options, weight_root=str(weight)), other.name


def test_errors_do_not_say_where_things_lie(broken, tmp_path, caplog):
    """The log does."""
    options, name = broken
    with caplog.at_level(logging.INFO), served(options, tmp_path) as (port, _):
        client = Client(port)
        status, _, body = client.get(f"/hits?run={name}")
        opened = client.post(f"/gradio_api/queue/join?run={name}", {"data": [], "fn_index": 0, "session_hash": "a"})
        said = client.get("/gradio_api/queue/data?session_hash=a")[2].decode()
    assert (status, opened[0]) == (404, 200)
    words = json.loads(body)["detail"]
    assert "run C1" in words
    assert options.weight_root not in words
    (warned,) = re.findall(r'"log":"([^"]*)"', said)
    assert options.weight_root not in warned
    assert options.weight_root in caplog.text


def test_a_page_for_everybody_does_not_say_where_things_lie(options, tmp_path):
    with served(options, tmp_path, Entrance(public=True)) as (port, _):
        client = Client(port)
        link = f"is.birds={quote('001.Kind_of_Bird_1')}"
        client.post(f"/gradio_api/queue/join?{link}", {"data": [], "fn_index": 0, "session_hash": "a"})
        opened = client.get("/gradio_api/queue/data?session_hash=a")[2].decode()
        client.post("/gradio_api/queue/join", {"data": [None], "fn_index": 1, "session_hash": "a"})
        settled = client.get("/gradio_api/queue/data?session_hash=a")[2].decode()
    assert "E2.Model-Query-Visualization.py" in settled
    for root in (options.data_root, options.weight_root, options.result_root, str(tmp_path)):
        assert root not in opened
        assert root not in settled


def test_names_and_sites_are_checked_before_everything(client):
    for path in ("/", "/hits", "/assets/a.js", "/gradio_api/file=/etc/passwd", "/nothing"):
        assert client.get(path, Host="evil.example")[0] == 421
        assert client.get(path, Origin="http://evil.example")[0] in (403, 404)
    assert client.post("/gradio_api/upload", b"x", Sec_Fetch_Site="cross-site")[0] == 403


def test_the_projects_own_routes_need_the_login_too(options, tmp_path):
    with served(options, tmp_path, Entrance(users={"me": "a-long-password"})) as (port, _):
        run = next(Path(options.weight_root).iterdir()).name
        client = Client(port)
        for path in (
            "/hits",
            "/hits.csv",
            f"/thumbnail/{run}/3.jpg",
            f"/thumbnail/upload/{'a' * 64}.jpg",
            "/config",
            "/theme.css",
        ):
            assert client.get(path)[0] == 401
        assert client.call("open", [])[0] == 401
        assert client.upload(picture()) == 401
        body = urlencode({"user": "me", "password": "a-long-password"})
        status, headers, _ = client.ask("POST", "/login", body, Content_Type="application/x-www-form-urlencoded")
        assert status == 303
        cookie = headers["set-cookie"].partition(";")[0]
        assert client.get(f"/thumbnail/{run}/3.jpg", Cookie=cookie)[0] == 200
        assert client.get("/", Cookie=cookie)[0] == 200
        assert client.get("/", Cookie="a=b")[0] == 401


def talk(port, own, *parts, wait=0.0):
    """What a connection answers to bytes, b"" where it hangs up."""
    with socket.create_connection(("127.0.0.1", port), 10, source_address=(own, 0)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(wait)
        said = b""
        while more := connection.recv(65536):
            said += more
        return said


def test_a_connection_that_says_nothing_is_ended(port, monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    assert talk(port, "127.0.4.1") == b""
    start = time.monotonic()
    try:
        said = talk(port, "127.0.4.1", *[b"GET / HTTP/1.1\r\n", *[b"a: b\r\n"] * 8], wait=0.1)
    except (ConnectionResetError, BrokenPipeError):
        said = b""
    assert said == b""
    assert time.monotonic() - start < 3


def test_one_client_has_so_many_connections(port, monkeypatch):
    monkeypatch.setattr(server, "OF_ONE", 2)
    held = [socket.create_connection(("127.0.0.1", port), 5, source_address=("127.0.4.2", 0)) for _ in range(2)]
    time.sleep(0.2)
    with pytest.raises((ConnectionResetError, http_gone())):
        Client(port, "127.0.4.2").get("/hits")
    assert Client(port, "127.0.4.3").get("/hits")[0] == 200
    for each in held:
        each.close()
    time.sleep(0.2)
    assert Client(port, "127.0.4.2").get("/hits")[0] == 200


def http_gone():
    from http.client import RemoteDisconnected

    return RemoteDisconnected


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ((b"400",), b"Host: a\r\nHost: localhost\r\n"),
        ((b"400",), b"Host: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n"),
        ((b"431",), b"Host: localhost\r\nX: " + b"a" * 40_000 + b"\r\n"),
        ((b"400", b"501"), b"Host: localhost\r\nTransfer-Encoding: x\r\n"),
        ((b"400", b"421"), b""),
    ],
)
def test_requests_that_can_be_read_in_two_ways_are_refused(port, said, lines):
    answer = talk(port, "127.0.4.5", b"GET /hits HTTP/1.1\r\nConnection: close\r\n" + lines + b"\r\n")
    assert answer.split(b" ")[1] in said


def test_no_request_hides_in_another(port):
    """With a length and chunks the chunks count, and what follows them is the next request, or refused."""
    body = b"0\r\n\r\nGET /hits?query=4 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /gradio_api/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    answer = talk(port, "127.0.4.6", head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
