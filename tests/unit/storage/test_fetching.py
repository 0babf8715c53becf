import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from file_server import serving

from backward_search.errors import DataError, MissingError, UserError
from backward_search.storage import fetching
from backward_search.storage.fetching import Patience, Remote, fetch_file, why_unreachable
from backward_search.storage.paths import PROJECT

HASTE = Patience(attempts=3, first_wait=0.01, longest_wait=0.02, timeout=0.3)
CONTENT = np.random.default_rng(0).bytes(20_000)
OTHER = np.random.default_rng(1).bytes(20_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
ELSEWHERE = "or take it from the shelf"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving() as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "birds.tgz"


def remote(url, **published):
    return Remote(url, ELSEWHERE, **published)


def only_the_target(target):
    return sorted(path.name for path in target.parent.iterdir()) == [target.name]


def refused(error, url):
    """The message of an error, which has to be one line that names the URL and the alternatives."""
    message = str(error.value)
    assert url in message
    assert ELSEWHERE in message
    assert "\n" not in message
    return message


def test_a_file_is_fetched_once(server, target):
    url, file = server.publish("/birds.tgz", CONTENT)
    published = remote(url, size=len(CONTENT), digests={"md5": MD5})
    assert fetch_file(published, target, HASTE) == target
    fetch_file(published, target, HASTE)
    assert target.read_bytes() == CONTENT
    assert only_the_target(target)
    assert len(file.asked) == 1


@pytest.mark.parametrize("length", ["full", "none", "chunked"])
def test_every_way_to_end_an_answer(server, target, length):
    url, _ = server.publish("/birds.tgz", CONTENT, length=length)
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("cut", ["close", "reset", "stall"])
def test_a_cut_connection_goes_on_where_it_was(server, target, cut):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000, 3000], cut=cut)
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT
    assert file.asked == ["", "bytes=5000-", "bytes=8000-"]
    assert file.if_ranges == ["", '"v1"', '"v1"']
    assert only_the_target(target)


def test_a_cut_chunked_answer_goes_on(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000], length="chunked")
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT
    assert file.asked == ["", "bytes=5000-"]


def test_more_cuts_than_attempts_are_fine_as_long_as_bytes_come(server, target):
    url, _ = server.publish("/birds.tgz", CONTENT, cuts=[1000] * 12)
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000], ranges=False)
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT
    assert file.asked == ["", "bytes=5000-"]


def test_cuts_that_bring_nothing_new_end(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000] * 9, ranges=False)
    with pytest.raises(MissingError) as error:
        fetch_file(remote(url), target, HASTE)
    assert "15,000 bytes missing, 3 times in a row" in refused(error, url)
    assert len(file.asked) == 3
    assert not target.exists()


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_has_changed_meanwhile_is_not_mixed(server, target, if_range):
    url, _ = server.publish("/birds.tgz", CONTENT, cuts=[5000])
    with pytest.raises(MissingError):
        fetch_file(remote(url), target, Patience(attempts=1))
    url, file = server.publish("/birds.tgz", OTHER, etag='"v2"', if_range=if_range)
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == OTHER
    assert file.asked[0] == "bytes=5000-"


def test_the_time_of_change_stands_in_for_a_weak_tag(server, target):
    time_of_change = "Mon, 14 Jul 2008 10:00:00 GMT"
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000], etag='W/"v1"', modified=time_of_change)
    fetch_file(remote(url), target, HASTE)
    assert file.if_ranges == ["", time_of_change]
    assert target.read_bytes() == CONTENT


def test_without_tag_and_checksum_nothing_is_continued(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000], etag="")
    fetch_file(remote(url), target, HASTE)
    assert file.asked == ["", ""]
    assert target.read_bytes() == CONTENT


def test_without_tag_a_checksum_is_enough_to_continue(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, cuts=[5000], etag="")
    fetch_file(remote(url, digests={"md5": MD5}), target, HASTE)
    assert file.asked == ["", "bytes=5000-"]
    assert target.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_dropped(server, target):
    target.parent.mkdir()
    target.with_name("birds.tgz.part").write_bytes(OTHER + OTHER)
    url, file = server.publish("/birds.tgz", CONTENT)
    fetch_file(remote(url, digests={"md5": MD5}), target, HASTE)
    assert file.asked == ["bytes=40000-", ""]
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_address_without_checksum_is_not_continued(server, target):
    url, _ = server.publish("/old.tgz", OTHER, cuts=[5000])
    with pytest.raises(MissingError):
        fetch_file(remote(url), target, Patience(attempts=1))
    url, file = server.publish("/birds.tgz", CONTENT)
    fetch_file(remote(url), target, HASTE)
    assert file.asked == [""]
    assert target.read_bytes() == CONTENT


def test_a_killed_process_leaves_nothing_finished_and_goes_on(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, seconds_per_chunk=0.05)
    code = f"""
from pathlib import Path
from backward_search.storage.fetching import Remote, fetch_file
fetch_file(Remote({url!r}, ""), Path({str(target)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    part = target.with_name("birds.tgz.part")
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 4096) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.stat().st_size > 0
    assert not target.exists()
    have = part.stat().st_size
    file.seconds_per_chunk = 0.0
    fetch_file(remote(url), target, HASTE)
    assert file.asked == ["", f"bytes={have}-"]
    assert target.read_bytes() == CONTENT
    assert only_the_target(target)


def test_a_part_that_was_whole_before_the_kill_is_not_asked_for(server, target, monkeypatch):
    url, file = server.publish("/birds.tgz", CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "fault", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch_file(remote(url), target, HASTE)
    assert not target.exists()
    fetch_file(remote(url), target, HASTE)
    assert target.read_bytes() == CONTENT
    assert len(file.asked) == 1


def test_a_wrong_file_is_fetched_once_more(server, target):
    url, file = server.publish("/birds.tgz", CONTENT, first=[OTHER])
    fetch_file(remote(url, digests={"md5": MD5}), target, HASTE)
    assert target.read_bytes() == CONTENT
    assert file.asked == ["", ""]


@pytest.mark.parametrize(
    ("published", "fault"),
    [
        ({"digests": {"md5": MD5}}, "md5"),
        ({"digests": {"sha256": "0" * 64}}, "sha256"),
        ({"size": 19}, "20,000 bytes, not the 19"),
        ({"archive": True}, "neither a tar nor a zip archive"),
    ],
)
def test_a_file_that_stays_wrong_is_deleted(server, target, published, fault):
    url, file = server.publish("/birds.tgz", OTHER)
    with pytest.raises(DataError) as error:
        fetch_file(remote(url, **published), target, HASTE)
    assert fault in refused(error, url)
    assert len(file.asked) == 2
    assert not list(target.parent.iterdir())


def test_a_wrong_file_of_the_user_is_named_and_kept(server, target):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    url, file = server.publish("/birds.tgz", CONTENT)
    with pytest.raises(DataError, match=r"is not the published file .*move it away"):
        fetch_file(remote(url, digests={"md5": MD5}), target, HASTE)
    assert target.read_bytes() == OTHER
    assert not file.asked


def test_404_is_final(server, target):
    url = f"http://127.0.0.1:{server.server_port}/nowhere.tgz"
    with pytest.raises(MissingError) as error:
        fetch_file(remote(url), target, HASTE)
    assert "HTTP 404 Not Found" in refused(error, url)
    assert "in a row" not in str(error.value)


def test_an_overloaded_server_gets_more_time(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    url, file = server.publish("/birds.tgz", CONTENT, statuses=[503, 429, 500], retry_after="7")
    fetch_file(remote(url), target, Patience(attempts=4, first_wait=1, longest_wait=5))
    assert target.read_bytes() == CONTENT
    assert [wait for wait in waits if wait >= 1] == [5, 5, 5]  # 7 asked for, 5 is most; the server sleeps too
    assert len(file.asked) == 4


def test_waits_double_up_to_the_longest():
    patience = Patience(first_wait=1, longest_wait=5)
    assert [patience.wait(failures) for failures in (1, 2, 3, 4)] == [1, 2, 4, 5]
    assert patience.wait(1, asked=3) == 3


def test_a_name_that_nobody_knows_is_final(target, monkeypatch):
    calls = []

    def unknown(*_, **__):
        calls.append(1)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "http://birds.invalid/birds.tgz"
    with pytest.raises(MissingError) as error:
        fetch_file(remote(url), target, HASTE)
    assert "name is not known here" in refused(error, url)
    assert len(calls) == 1


def test_a_certificate_that_does_not_hold_is_final(target, monkeypatch):
    def untrusted(*_, **__):
        raise fetching.URLError(ssl.SSLCertVerificationError("certificate verify failed"))

    monkeypatch.setattr(fetching.urllib.request, "urlopen", untrusted)
    with pytest.raises(MissingError, match="certificate verify failed") as error:
        fetch_file(remote("https://birds.invalid/b"), target, HASTE)
    assert "in a row" not in str(error.value)


def test_a_server_that_refuses_is_tried_a_few_times(target, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/birds.tgz"
        with pytest.raises(MissingError) as error:
            fetch_file(remote(url), target, HASTE)
    assert "Connection refused, 3 times in a row" in refused(error, url)


def test_a_disk_too_small_is_said_before_anything_comes(server, target, monkeypatch):
    url, _ = server.publish("/birds.tgz", CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 500, 500))
    with pytest.raises(UserError) as error:
        fetch_file(remote(url), target, HASTE)
    assert "20,000 bytes are missing, but" in refused(error, url)
    assert "has only 500 free" in str(error.value)
    assert not target.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line(server, target):
    url, file = server.publish("/birds.tgz", CONTENT)
    target.parent.mkdir()
    target.with_name("birds.tgz.part").symlink_to("/dev/full")
    with pytest.raises(UserError) as error:
        fetch_file(remote(url), target, HASTE)
    assert "No space left on device" in refused(error, url)
    assert len(file.asked) == 1
    assert not target.exists()


def test_whether_anything_answers_is_known_at_once(server, monkeypatch):
    url, _ = server.publish("/birds.tgz", CONTENT)
    assert why_unreachable(url) == why_unreachable(f"{url}.not-there") == ""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "refused" in why_unreachable(f"http://127.0.0.1:{closed.getsockname()[1]}/a")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: time.sleep(3) or [])
    start = time.perf_counter()
    assert why_unreachable("http://nowhere.invalid/a", 0.3) == "no answer in 0.3 seconds"
    assert time.perf_counter() - start < 2
