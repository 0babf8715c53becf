"""What several threads ask at the same moment."""

import threading
import time

import pytest

from backward_search.together import Together

SLOW = 0.05


def asked(together: Together, items: list) -> list:
    """The results that as many threads get, or their errors."""
    found: list = [None] * len(items)

    def ask(place):
        try:
            found[place] = together(items[place])
        except ValueError as error:
            found[place] = error

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def recorded(pieces: list, work):
    def record(items):
        pieces.append(list(items))
        time.sleep(SLOW)  # so that the others have come by the time of the next piece
        return [work(item) for item in items]

    return record


def test_all_that_wait_and_are_alike_are_done_in_one_piece_and_each_gets_its_own():
    pieces: list = []
    together = Together(recorded(pieces, lambda item: item * 10), lambda one, other: one % 2 == other % 2)
    assert asked(together, list(range(20))) == [item * 10 for item in range(20)]
    assert sorted(item for piece in pieces for item in piece) == list(range(20))
    assert len(pieces) <= 5  # the first alone, then the even and the odd ones
    assert all(len({item % 2 for item in piece}) == 1 for piece in pieces)


def test_a_piece_has_no_more_items_than_are_admitted():
    pieces: list = []
    together = Together(recorded(pieces, str), lambda one, other: True, most=3)
    assert asked(together, list(range(10))) == [str(item) for item in range(10)]
    assert max(map(len, pieces)) == 3


def test_an_error_reaches_the_one_who_caused_it_and_no_other():
    def work(item):
        if item == 5:
            raise ValueError("five")
        return item + 1

    pieces: list = []
    together = Together(recorded(pieces, work), lambda one, other: True)
    found = asked(together, list(range(8)))
    assert [item for item in found if not isinstance(item, ValueError)] == [1, 2, 3, 4, 5, 7, 8]
    assert str(found[5]) == "five"
    with pytest.raises(ValueError, match="five"):
        together(5)
    assert together(1) == 2
