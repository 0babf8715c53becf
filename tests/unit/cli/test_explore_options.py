"""Where the explorer listens: open to this machine, or to those who log in, and to others only where that is said."""

import logging
import os
import socket
import subprocess
import sys

import pytest

from backward_search.cli import ExploreOptions, parse
from backward_search.cli.console import script_log
from backward_search.errors import OptionError
from backward_search.stages.explore import entrance_of
from backward_search.storage.paths import PROJECT

AUTH = "BACKWARD_SEARCH_AUTH"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(AUTH, raising=False)


def read(*words):
    return parse(ExploreOptions, None, list(words))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_needs_no_login(host):
    options = read("--host", host)
    assert (options.public, options.users) == (False, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "my-machine", "127.0.0.1.example.org", "0"])
def test_others_need_one(host, monkeypatch):
    with pytest.raises(OptionError, match=f"--host {host} can be reached by others: set {AUTH}=USER:PASSWORD"):
        read("--host", host)
    assert read("--host", host, "--no_auth", "True").users == {}
    assert read("--host", host, "--auth", "me:a:long one,you:12345678").users == {"me": "a:long one", "you": "12345678"}
    monkeypatch.setenv(AUTH, "her:87654321")
    assert read("--host", host).users == {"her": "87654321"}
    assert read("--host", host, "--auth", "me:12345678").users == {"me": "12345678"}
    assert read("--host", host, "--no_auth", "True").users == {}
    assert read().users == {"her": "87654321"}


@pytest.mark.parametrize("auth", ["me", "me:", ":12345678", "me:1234567", "me:12345678,you", " :12345678"])
def test_a_user_without_a_password_is_none(auth, monkeypatch):
    with pytest.raises(OptionError, match="USER:PASSWORD with a password of at least 8 letters") as raised:
        read("--auth", auth)
    assert auth not in str(raised.value)
    monkeypatch.setenv(AUTH, auth)
    with pytest.raises(OptionError, match="USER:PASSWORD"):
        read()


@pytest.mark.parametrize(
    "words",
    [
        ["--auth", "me:12345678", "--no_auth", "True"],
        ["--host", ""],
        ["--allowed_hosts", "a b"],
        ["--allowed_hosts", "http://x"],
    ],
)
def test_what_cannot_be_meant_is_refused(words):
    with pytest.raises(OptionError):
        read(*words)


def test_it_goes_by_the_names_that_are_given():
    entrance = entrance_of(read("--host", "0.0.0.0", "--no_auth", "True", "--allowed_hosts", "One.example, two:80"))
    assert entrance.public
    own = socket.gethostname().lower()
    assert {"one.example", "two", own, f"{own}.local"} <= entrance.names
    assert not entrance_of(read()).public
    assert socket.gethostname().lower() not in entrance_of(read()).names


def test_no_log_has_the_password(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["F1.Search-Explorer.py", "--auth", "me:12345678", "--auth=me:12345678"])
    with script_log(None, read("--auth", "me:12345678")):
        logging.getLogger("backward_search").info("begun")
    said = capsys.readouterr().out
    assert "begun" in said
    assert "auth=(hidden)" in said
    assert "12345678" not in said


def test_the_script_ends_at_once_with_one_line():
    script = PROJECT / "F1.Search-Explorer.py"
    words = [sys.executable, str(script), "--host", "0.0.0.0", "--weight_root", "/none"]
    said = subprocess.run(words, capture_output=True, text=True, env={**os.environ, AUTH: ""}, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith("error: --host 0.0.0.0 can be reached by others")
    assert len(said.stderr.splitlines()) == 1
    assert said.stdout == ""
