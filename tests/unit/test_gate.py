"""Threads at a gate."""

import os
import threading
import time

import pytest

from backward_search.gate import Gate, cores


@pytest.mark.parametrize("places", [1, 3])
def test_no_more_threads_than_places_are_behind_it(places):
    gate, lock, inside, seen = Gate(places), threading.Lock(), [], []

    def pass_through():
        for _ in range(5):
            with gate.entered():
                with lock:
                    inside.append(1)
                    seen.append(len(inside))
                time.sleep(0.001)
                with lock:
                    inside.pop()

    threads = [threading.Thread(target=pass_through) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 40
    assert max(seen) == places


def test_one_that_is_behind_it_may_enter_again_and_an_error_gives_the_place_back():
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(KeyError), gate.entered(), gate.entered():
            raise KeyError
    done = threading.Thread(target=lambda: gate.entered().__enter__())
    done.start()
    done.join(20)
    assert not done.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_finds_it_open():
    gate, entered, leave = Gate(1), threading.Event(), threading.Event()

    def stay():
        with gate.entered():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(20)
    child = os.fork()
    if not child:
        with gate.entered():
            os._exit(7)
    ended = time.monotonic() + 20
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < ended:
        time.sleep(0.01)
    if found == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    leave.set()
    thread.join(20)
    assert os.waitstatus_to_exitcode(found[1]) == 7


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)
