import unicodedata

import pytest

from backward_search.data.spellings import match

LISTED = "Impressionism/joaquã\u00adn-sorolla_the-bath.jpg"


@pytest.mark.parametrize(
    "there",
    [
        LISTED,
        "Impressionism/joaqu#U00e3#U00adn-sorolla_the-bath.jpg",
        "Impressionism/joaquín-sorolla_the-bath.jpg",
        unicodedata.normalize("NFD", "Impressionism/joaquín-sorolla_the-bath.jpg"),
        "Impressionism/joaquÃ\u00adn-sorolla_the-bath.jpg",
        "Impressionism/joaqu├¡n-sorolla_the-bath.jpg",
        "Impressionism/joaqu\udcedn-sorolla_the-bath.jpg",
    ],
)
def test_one_name_is_found_under_each_of_its_spellings(there):
    others = ["Impressionism/joan-sorolla_the-bath.jpg", "Realism/joaquin-sorolla_the-bath.jpg"]
    assert match([LISTED], [*others, there]) == {LISTED: there}


def test_what_could_be_two_is_not_guessed():
    assert match(["A/é.jpg"], ["A/í.jpg", "A/á.jpg"]) == {}
    assert match(["A/é.jpg", "A/í.jpg"], ["A/á.jpg"]) == {}


def test_a_name_that_is_there_is_never_given_to_another():
    assert match(["A/é.jpg", "A/.jpg"], ["A/.jpg"]) == {"A/.jpg": "A/.jpg"}


def test_the_nearer_spelling_wins():
    names = ["A/ã\u00a9.jpg", "A/ã\u00ad.jpg"]
    there = ["A/#U00e3#U00ad.jpg", "A/#U00e3#U00a9.jpg"]
    assert match(names, there) == {names[0]: there[1], names[1]: there[0]}
