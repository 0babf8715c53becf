"""What the page's parts may send: each value is checked as what its part holds, and only that is passed on.

Gradio takes what a client names a file for one: it would fetch an address, and read a path. Here a file is one that was
uploaded, and everything else that is not known is left out.
"""

import json
import math
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backward_search.explorer.answers import RefusedError

LETTERS, ENTRIES, DEPTH = 2000, 2000, 12
"""Most of a text, of a list, and of things within things."""
WHOLE = 2**53
"""The largest number that JSON keeps exactly."""
SESSION = re.compile(r"[0-9a-z_-]{1,64}")
HALF = re.compile(r"[\ud800-\udfff]")
FILE = "gradio.FileData"


@dataclass(frozen=True)
class Function:
    """What an event of the page calls.

    Attributes:
        name: in the API; "" where it has none.
        kinds: of its values, in the words of Gradio's parts.
    """

    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A checked call: of which function, for which open page, and what is passed on."""

    function: Function
    session: str
    body: bytes


class Asked:
    """Checks what is sent to functions."""

    def __init__(self, functions: Mapping[int, Function], folder: Path) -> None:
        """To these, by number; uploaded files lie below `folder`."""
        self._functions, self._folder = functions, os.path.realpath(folder)
        self._numbers = {function.name: number for number, function in functions.items() if function.name}

    def call(self, body: bytes, name: str | None = None) -> Call:
        """A call of a function, by its number in the body or by its name.

        Raises:
            RefusedError: there is no such function, or something is sent that it cannot mean.
        """
        sent = read_json(body)
        number = self._numbers.get(name) if name is not None else sent.get("fn_index")
        if isinstance(number, bool) or not isinstance(number, int) or number not in self._functions:
            raise RefusedError(404, "there is no such function")
        function, session = self._functions[number], _session(sent.get("session_hash"))
        session = session or secrets.token_hex(16)
        kinds = [kind for kind in function.kinds if name is None or kind != "state"]
        data = sent.get("data")
        if not isinstance(data, list) or len(data) != len(kinds):
            raise RefusedError(400, f"data has to be a list of {len(kinds)} values")
        values = [self._value(kind, value) for kind, value in zip(kinds, data, strict=True)]
        passed: dict[str, Any] = {"data": values, "session_hash": session}
        if name is None:
            passed |= {"fn_index": number, "event_data": _event(sent.get("event_data"))}
            passed["trigger_id"] = _number_or_none(sent.get("trigger_id"))
        return Call(function, session, json.dumps(passed).encode())

    def cancelled(self, body: bytes) -> bytes:
        """What is passed on of a call that is no longer wanted.

        Raises:
            RefusedError: it is malformed.
        """
        sent = read_json(body)
        session, event, number = _session(sent.get("session_hash")), sent.get("event_id"), sent.get("fn_index")
        known = isinstance(number, int) and number in self._functions
        if not session or not isinstance(event, str) or not SESSION.fullmatch(event) or not known:
            raise RefusedError(400, "there is no such call")
        return json.dumps({"session_hash": session, "event_id": event, "fn_index": number}).encode()

    def _value(self, kind: str, value: Any) -> Any:
        if kind == "file":
            return self._file(value)
        check = KINDS.get(kind)
        if check is None or not check(value):
            raise RefusedError(400, f"a {kind} cannot have this value")
        return value

    def _file(self, value: Any) -> Any:
        if value is None:
            return None
        path = value.get("path") if isinstance(value, dict) else None
        if not isinstance(path, str) or not self.serves(path):
            raise RefusedError(400, "this is no file that was uploaded: drop it in")
        name = value.get("orig_name")
        own = {"path": path, "meta": {"_type": FILE}}
        return own | ({"orig_name": name} if _is_text(name) else {})

    def serves(self, path: str) -> bool:
        """Whether a path is that of an uploaded file, or of a figure."""
        if len(path) > LETTERS or "\0" in path or not Path(path).is_absolute():
            return False
        return os.path.realpath(path).startswith(self._folder + os.sep) and Path(path).is_file()


def read_json(body: bytes) -> dict[str, Any]:
    """What is sent.

    Raises:
        RefusedError: it is no JSON object, has numbers that are none, or is nested too deeply.
    """
    try:
        sent = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise RefusedError(400, "what was sent is no JSON") from None
    if not isinstance(sent, dict):
        raise RefusedError(400, "what was sent is no JSON object")
    level: Sequence[Any] = [sent]
    for _ in range(DEPTH):
        level = [part for each in level for part in _parts(each)]
    if level:
        raise RefusedError(400, f"what was sent is nested more than {DEPTH} deep")
    return sent


def _parts(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _no_number(word: str) -> None:
    raise ValueError(word)


def _session(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not SESSION.fullmatch(value):
        raise RefusedError(400, "session_hash has to be letters and digits")
    return value


def _event(value: Any) -> Any:
    """What an event says of itself: a value, or some by name."""
    values = value.values() if isinstance(value, dict) else [value]
    if len(values) > 10 or not all(each is None or _is_text(each) or _is_number(each) for each in values):
        raise RefusedError(400, "event_data cannot have this value")
    return value


def _number_or_none(value: Any) -> Any:
    if value is not None and not _is_number(value):
        raise RefusedError(400, "trigger_id has to be a number")
    return value


def _is_number(value: Any) -> bool:
    """Also true of a flag."""
    return isinstance(value, int | float) and abs(value) <= WHOLE and math.isfinite(value)


def _is_text(value: Any) -> bool:
    """Half a letter, as JSON can name it, is none: no answer could repeat it."""
    return isinstance(value, str) and len(value) <= LETTERS and not HALF.search(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= ENTRIES and all(map(_is_text, value))


KINDS: dict[str, Callable[[Any], bool]] = {
    "state": lambda value: value is None,
    "number": lambda value: value is None or (_is_number(value) and not isinstance(value, bool)),
    "slider": lambda value: _is_number(value) and not isinstance(value, bool),
    "checkbox": lambda value: isinstance(value, bool),
    "dropdown": lambda value: value is None or _is_text(value),
    "multiselect": lambda value: value is None or _are_texts(value),
}
"""By the kind of a part what it can hold; a state is the server's own, so that nobody sends one."""
