"""How far long work is, told to the log."""

import logging

import pytest

from backward_search import progress
from backward_search.cli.console import Console


@pytest.fixture
def clock(monkeypatch):
    """A clock of tqdm and of ours that goes on by ten seconds at each step of the work."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress.Bar, "_time", staticmethod(lambda: now[0]), raising=False)
    real = progress.Bar.__init__

    def begin(self, *given, **how):
        real(self, *given, **how)
        self._time = lambda: now[0]
        self.start_t = self.last_print_t = now[0]

    monkeypatch.setattr(progress.Bar, "__init__", begin)
    return now


def said(caplog):
    return [record.getMessage() for record in caplog.records]


def test_a_line_comes_every_half_minute_without_a_terminal(clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in progress.progress(range(12), "embedding test", "image", 12):
        clock[0] += 10
    lines = said(caplog)
    assert 3 <= len(lines) <= 4
    assert lines[0].startswith("embedding test: image 3 of 12, 0.1 a second, 01:")
    assert lines[0].endswith(" left")


def test_short_work_says_nothing(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress.progress(range(5), "work", "step", 5)) == [0, 1, 2, 3, 4]
    assert not said(caplog)


def test_bytes_are_told_as_such(clock, caplog):
    caplog.set_level(logging.INFO)
    with progress.byte_progress("fetching", 10 * 2**20) as bar:
        for _ in range(10):
            clock[0] += 40
            bar.update(2**20)
    assert said(caplog)[0] == "fetching: 1.00MB of 10.0MB, 25.6kB a second, 06:00 left"


def test_other_processes_of_a_group_say_nothing(clock, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("RANK", "1")
    for _ in progress.progress(range(12), "embedding test", "image", 12):
        clock[0] += 10
    assert not said(caplog)


def test_where_the_bar_is_drawn_only_the_file_is_told(tmp_path):
    class Stream(list):
        def write(self, text):
            self.append(text)

        def flush(self):
            pass

    stream = Stream()
    record = logging.LogRecord("a", logging.INFO, "a", 1, "work: step 3 of 12", (), None)
    Console(stream).emit(record)
    assert "step 3" in "".join(stream)
    record.drawn = True
    stream.clear()
    Console(stream).emit(record)
    assert not stream
