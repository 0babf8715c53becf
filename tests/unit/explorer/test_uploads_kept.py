"""Images from outside are kept up to a number, of each client and of all: the oldest go, with what was made of them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from backward_search.errors import DataError
from backward_search.explorer import pictures
from backward_search.explorer.pictures import Thumbnails
from backward_search.explorer.uploads import Uploads


@pytest.fixture
def picture(tmp_path):
    def made(level):
        file = tmp_path / f"{level}.png"
        Image.new("L", (8, 8), level).save(file)
        return file

    return made


def there(uploads, name):
    if (uploads._folder / f"{name}.png").exists():
        return uploads.find(name).exists()
    with pytest.raises(DataError, match="is not here, or no longer: drop it in again"):
        uploads.find(name)
    return False


def test_a_client_has_so_many(tmp_path, picture):
    gone = []
    uploads = Uploads(tmp_path / "kept", 1, of_one=2, gone=gone.append)
    names = [uploads.take(picture(level), "a") for level in range(3)]
    others = [uploads.take(picture(level), "b") for level in (10, 11)]
    assert [there(uploads, name) for name in names + others] == [False, True, True, True, True]
    assert gone == names[:1]
    uploads.take(picture(1), "a")  # again, so that it is the newest
    uploads.take(picture(4), "a")
    assert [there(uploads, name) for name in names] == [False, True, False]


def test_what_another_has_too_stays(tmp_path, picture):
    uploads = Uploads(tmp_path / "kept", 1, of_one=1)
    name = uploads.take(picture(0), "a")
    assert uploads.take(picture(0), "b") == name
    uploads.take(picture(1), "a")
    assert there(uploads, name)
    uploads.take(picture(2), "b")
    assert not there(uploads, name)


def test_there_are_so_many_in_all_and_those_of_an_earlier_server_count(tmp_path, picture):
    earlier = Uploads(tmp_path / "kept", 1)
    names = [earlier.take(picture(level), "a") for level in range(3)]
    for place, name in enumerate(reversed(names)):
        os.utime(earlier.find(name), (time.time() - 100 + place,) * 2)
    uploads = Uploads(tmp_path / "kept", 1, most=3)
    new = uploads.take(picture(9), "b")
    assert [there(uploads, name) for name in (*names, new)] == [True, True, False, True]


def test_clients_are_forgotten_too(tmp_path, picture):
    uploads = Uploads(tmp_path / "kept", 1, most=3)
    for number in range(6):
        uploads.take(picture(number), str(number))
    assert len(uploads._own) == 3


def test_the_thumbnail_goes_with_its_image(tmp_path, picture):
    thumbnails = Thumbnails(tmp_path / "thumbnails")
    uploads = Uploads(tmp_path / "kept", 1, of_one=1, gone=thumbnails.forget_upload)
    name = uploads.take(picture(0), "a")
    small = thumbnails.of("upload", uploads.find(name), name)
    assert small.exists()
    uploads.take(picture(1), "a")
    assert not small.exists()


def test_a_thumbnail_that_many_ask_for_at_once_is_made_once(tmp_path, picture, monkeypatch):
    made = []

    def slow(image, opening):
        made.append(image)
        time.sleep(0.05)
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(pictures, "_thumbnail", slow)
    thumbnails = Thumbnails(tmp_path / "thumbnails")
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda _: thumbnails.of("run", picture(0), "0"), range(8)))
    assert len(made) == 1
    assert places[0].exists()


def test_a_file_that_is_gone_meanwhile_is_asked_for_again(tmp_path):
    with pytest.raises(DataError, match="drop it in again"):
        Uploads(tmp_path / "kept", 1).take(tmp_path / "none.png")
