"""What the page's parts may send: values of their own type, and files that were uploaded."""

import json

import pytest

from backward_search.explorer.answers import RefusedError
from backward_search.explorer.asked import DEPTH, Asked, Function

KINDS = ("state", "number", "slider", "checkbox", "dropdown", "multiselect", "file")
GOOD = {
    "state": [None],
    "number": [None, 0, 3, 2.5, -1],
    "slider": [0, 0.25, 1e300 * 0],
    "checkbox": [True, False],
    "dropdown": [None, "a", ""],
    "multiselect": [None, [], ["a", "b"]],
    "file": [None],
}
WRONG = {
    "state": [0, "", {}, {"run": "x"}, [], False],
    "number": ["3", True, [], {}, 10**400, 2**54, "NaN", [3]],
    "slider": [None, "0.5", 1e308, -1e308, [0.5], False],
    "checkbox": [None, 0, 1, "True", []],
    "dropdown": [1, ["a"], {}, "a" * 1_000_000, True, 1e308],
    "multiselect": ["a", [1], [["a"]], [None], {"a": 1}, ["a"] * 100_000, ["a" * 100_000]],
    "file": ["x", 1, [], {}, {"path": 1}, {"path": ""}, {"url": "http://10.0.0.1/a.png"}, [None]],
}


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "own.png").write_bytes(b"x")
    (tmp_path / "other.png").write_bytes(b"x")
    (folder / "led.png").symlink_to(tmp_path / "other.png")
    return folder


def asked(folder):
    return Asked({number: Function(kind, (kind,)) for number, kind in enumerate(KINDS)}, folder)


def sent(kind, value, folder):
    body = json.dumps({"fn_index": KINDS.index(kind), "data": [value], "session_hash": "a"}).encode()
    return json.loads(asked(folder).call(body).body)["data"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_may_send_what_it_holds(kind, served):
    for value in GOOD[kind]:
        assert sent(kind, value, served) == [value]


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_may_send_nothing_else(kind, served):
    for value in WRONG[kind]:
        with pytest.raises(RefusedError):
            sent(kind, value, served)


def test_a_file_is_one_that_was_uploaded(served):
    own = str(served / "own.png")
    file = {
        "path": own,
        "url": "http://10.0.0.1/x",
        "orig_name": "a.png",
        "size": 3,
        "is_stream": True,
        "meta": {"a": 1},
    }
    assert sent("file", file, served) == [{"path": own, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "http://example.org/a.png",
            "https://example.org/a.png",
            "HTTP://example.org/a.png",
            " http://example.org/a.png",
        ),
        *(
            "file:///etc/passwd",
            "ftp://example.org/a",
            "//example.org/a.png",
            "/gradio_api/file=/etc/passwd",
            "data:,x",
        ),
        *("/etc/passwd", "own.png", "{}/../other.png", "{}/../../etc/passwd", "{}", "{}/", "{}/none.png", "{}/led.png"),
        *("{}/own.png\0", "/gradio_api/proxy=http://example.org/a", "{}x/own.png", "a" * 100_000, "", "~/a", "."),
    ],
)
def test_a_path_of_the_server_or_an_address_is_no_file(path, served):
    with pytest.raises(RefusedError, match="no file that was uploaded"):
        sent("file", {"path": path.format(served), "meta": {"_type": "gradio.FileData"}}, served)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"[]", b"3", b"null", b"\xff\xfe", b'{"data": [NaN]}', b'{"data": [Infinity]}', b"[" * 100_000),
        *(b'{"a":' * 100_000, b'{"data": [' + b"1" * 10_000 + b"]}", json.dumps({"a": {"a": 1}}).encode() + b"x"),
    ],
)
def test_what_is_no_json_is_refused(body, served):
    with pytest.raises(RefusedError):
        asked(served).call(body)


def test_depth_is_bounded(served):
    def nested(depth):
        return json.dumps({"fn_index": 0, "data": [None], "x": json.loads("[" * depth + "]" * depth)}).encode()

    assert asked(served).call(nested(DEPTH - 1))
    with pytest.raises(RefusedError, match="deep"):
        asked(served).call(nested(DEPTH))


@pytest.mark.parametrize(
    "part",
    [
        *({"fn_index": value} for value in (None, "0", 1.0, True, -1, 99, [0], {}, 10**30)),
        *({"session_hash": value} for value in ("", "../x", "A", "a" * 65, 3, ["a"], "a\n")),
        *({"data": value} for value in (None, {}, [], [None, None], "a", 3)),
        *({"event_data": value} for value in ([1], {"a": [1]}, "a" * 3000, {str(i): i for i in range(11)}, 10**400)),
        *({"trigger_id": value} for value in ("1", [], {}, 10**400)),
    ],
)
def test_a_call_is_well_formed(part, served):
    call = {"fn_index": 0, "data": [None], "session_hash": "a"}
    assert asked(served).call(json.dumps(call).encode())
    with pytest.raises(RefusedError):
        asked(served).call(json.dumps(call | part).encode())


def test_functions_are_called_by_name_without_the_servers_own_state(served):
    named = Asked({7: Function("open", ("state", "number"))}, served)
    call = named.call(b'{"data": [3]}', "open")
    assert json.loads(call.body) == {"data": [3], "session_hash": call.session}
    assert named.call(b'{"data": [3]}', "open").session != call.session
    for name in ("", "other", "__class__"):
        with pytest.raises(RefusedError):
            named.call(b'{"data": [3]}', name)


@pytest.mark.parametrize("part", [{}, {"fn_index": [0]}, {"fn_index": "0"}, {"event_id": 3}, {"session_hash": None}])
def test_what_is_cancelled_is_named_by_words(part, served):
    call = {"session_hash": "a", "event_id": "0f", "fn_index": 0}
    if not part:
        assert json.loads(asked(served).cancelled(json.dumps({**call, "x": 1}).encode())) == call
        return
    with pytest.raises(RefusedError):
        asked(served).cancelled(json.dumps(call | part).encode())
