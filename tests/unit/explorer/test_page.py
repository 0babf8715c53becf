"""The page as a server: it starts, answers its API, and gives away no file but its own."""

import csv
import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import pytest
from extras import needs

needs("web", "gradio")

import uvicorn
from explored import MOST, lay_explored

from backward_search.explorer.handlers import Handlers
from backward_search.explorer.page import application, thumbnails_below
from backward_search.stages.explore import explorer_of
from backward_search.training import recognition


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return lay_explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def address(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    served = application(explorer_of(options, thumbnails_below(folder)), folder, options.upload_mb)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(served, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def fetch(address: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_the_page_forbids_what_comes_from_elsewhere(address):
    status, _, headers = fetch(f"{address}/")
    assert status == 200
    policy = {name.lower(): value for name, value in headers.items()}["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def call(address: str, name: str, data: list) -> str:
    """The events that a function of the page answers with."""
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{address}/gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    return fetch(f"{address}/gradio_api/call/{name}/{event}")[1].decode()


def test_its_api_answers_with_hits(address):
    said = call(address, "open", [])
    assert "event: complete" in said
    assert re.search(r"<b>birds=00\d.Kind_of_Bird_\d</b>: \d of 6 meet it", said)
    assert "Kind_of_Bird" in said


@pytest.mark.parametrize("way", ["absolute", "upwards", "encoded", "data set", "source"])
def test_no_other_file_is_served(address, options, way):
    data = next(Path(options.data_root).rglob("*.jpg"))
    asked = {
        "absolute": "/etc/passwd",
        "upwards": "../../../../../../etc/passwd",
        "encoded": urllib.parse.quote("../../../../../../etc/passwd", safe=""),
        "data set": str(data),
        "source": str(Path(__file__).resolve()),
    }[way]
    for route in ("file=", "file/", "static/", "assets/"):
        status, body, _ = fetch(f"{address}/gradio_api/{route}{asked}")
        assert status in (403, 404), route
        assert b"root:" not in body
        assert data.read_bytes()[:200] not in body


def test_thumbnails_are_of_the_tables_images_and_of_nothing_else(address, options):
    run = next(Path(options.weight_root).iterdir()).name
    status, body, headers = fetch(f"{address}/thumbnail/{run}/3.jpg")
    assert (status, body[:2], headers["content-type"]) == (200, b"\xff\xd8", "image/jpeg")
    up = urllib.parse.quote("../" * 8, safe="")
    for asked in (
        *(f"{run}/{row}.jpg" for row in ("-1", "100000", "x", f"{up}etc/passwd")),
        *("x/3.jpg", f"{up}etc/3.jpg", "%2Fetc/3.jpg", "upload/3.jpg", f"upload/{up}etc%2Fpasswd.jpg"),
        f"upload/{'a' * 64}.jpg",
    ):
        status, body, _ = fetch(f"{address}/thumbnail/{asked}")
        assert status in (404, 422), asked
        assert b"\xff\xd8" not in body


def test_a_thumbnail_that_a_browser_has_is_not_sent_again(address, options):
    place = f"{address}/thumbnail/{next(Path(options.weight_root).iterdir()).name}/3.jpg"
    _, body, headers = fetch(place)
    assert headers["cache-control"].startswith("private, max-age=")
    for tag, status in ((headers["etag"], 304), (f'"a", {headers["etag"]}', 304), ('"a"', 200)):
        request = urllib.request.Request(place, headers={"If-None-Match": tag})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            said = error.code, error.read(), dict(error.headers)
        assert said[:2] == (status, b"" if status == 304 else body)
        assert said[2]["etag"] == headers["etag"]
    assert fetch(place.replace("/3.", "/4."))[2]["etag"] != headers["etag"]


def test_hits_of_a_link_are_saved_as_a_sheet(address):
    status, body, headers = fetch(f"{address}/hits.csv?query=4&is.birds=002.Kind_of_Bird_2&beside=teacher")
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="hits.csv"')
    assert headers["content-type"].startswith("text/csv")
    assert [line.split(",")[0] for line in body.decode().splitlines()] == [
        *("method", *["shift_null"] * 6, *["teacher"] * 6)
    ]
    assert fetch(f"{address}/hits.csv?query=100000")[0] == 404


def test_hits_of_a_link_come_as_the_page_shows_them(address):
    status, body, _ = fetch(f"{address}/hits?query=4&is.birds=002.Kind_of_Bird_2&strength=0.4")
    parts = json.loads(body)
    assert status == 200
    assert "shift_null, <b>birds=002.Kind_of_Bird_2</b>: " in parts["head"]
    assert 'data-strength="0.4"' in parts["hits"]
    assert parts["hits"].count("<button") == 6
    for wrong in ("query=100000", "is.birds=x", "strength=x", "run=..", "upload=../../x"):
        assert fetch(f"{address}/hits?{wrong}")[0] == 404, wrong


def test_side_by_side_shift_null_stands_in_for_best(options, tmp_path):
    explorer = explorer_of(options, tmp_path)
    for method, others in (("teacher", ["unchanged", "shift_null"]), ("shift_null", ["unchanged", "teacher"])):
        state = explorer.start(f"query=4&is.birds=002.Kind_of_Bird_2&beside=1&method={method}")
        shown = Handlers(explorer).settled(state)[0]["value"]
        assert re.findall(r"\b(best|shift_null|teacher|student|unchanged)\b", shown) == others


def test_a_class_that_the_head_hardly_knows_is_spoken_of_beside_the_condition(address, options, monkeypatch):
    monkeypatch.setattr(recognition, "FEWEST", 1)
    with next(Path(options.weight_root).glob("*/heads.csv")).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    poor = {row["class"] for row in rows if float(row["recognised"]) < 0.5}
    assert 0 < len(poor) < len(rows)
    for row in rows:
        head = json.loads(fetch(f"{address}/hits?query=4&is.birds={row['class']}")[1])["head"]
        assert (f"<br>The head recognises {row['class']} in " in head) == (row["class"] in poor)
    assert "recognises" not in json.loads(fetch(f"{address}/hits?query=4&not.birds={row['class']}")[1])["head"]


def test_a_file_of_the_server_is_no_upload(address, options):
    file = {"path": str(next(Path(options.data_root).rglob("*.jpg"))), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        call(address, "upload", [file])
    assert not (Path(options.result_root) / "explorer").exists()


def post_file(address: str, size: int) -> int:
    mark = "0123456789"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = head + b"0" * size + f"\r\n--{mark}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    with closing(http.client.HTTPConnection(address.removeprefix("http://"))) as connection:
        with suppress(BrokenPipeError):  # it has answered before it was told everything
            connection.request("POST", "/gradio_api/upload", body, kind)
        return connection.getresponse().status


def test_an_upload_is_bounded(address):
    assert post_file(address, 1000) == 200
    assert post_file(address, MOST * 10**6 + 100_000) == 413
