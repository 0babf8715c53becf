"""Values that are made once, all of them or those that were made last."""

from backward_search.once import Once


def test_of_too_many_values_the_first_is_forgotten():
    once, made = Once(2), []
    for key in (1, 2, 1, 3, 2, 1):
        assert once(key, lambda key=key: made.append(key) or -key) == -key
    assert made == [1, 2, 3, 1]
    assert set(once.made()) == {1, 3}


def test_by_default_all_are_kept_and_none_is_made_twice():
    once, made = Once(), []
    for key in (1, 2, 3, 1, 2, 3):
        once(key, lambda key=key: made.append(key))
    assert made == [1, 2, 3]
