"""What others call their things does nothing where it is shown, and a command holds it as it is."""

import os
import shutil
import subprocess

import pytest
from hostile import ALL, DOING

from backward_search.visible import _ANY, cell, quoted, shortened, visible


@pytest.mark.parametrize("text", [*ALL, DOING])
def test_nothing_that_does_something_is_left(text):
    for shown in (visible(text), cell(text), shortened(text, 40)):
        assert not set(shown) & set(DOING)
        assert shown.encode("utf-8")  # also of file names that are no text
    assert set(visible(text, lines=True)) & set(DOING) <= {"\n"}


@pytest.mark.parametrize("text", ["Crépe 🥞", "日本語", "मराठी", "نمونه\u200cها", "עברית", "a\\x1b", "👩\u200d🎨"])
def test_other_text_stays(text):
    assert visible(text) == text


def test_what_is_cut_says_so():
    assert shortened("x" * 50, 9) == "x" * 8 + "…"
    assert shortened("\x1b" * 50, 9).endswith("…")
    assert len(shortened("\x1b" * 50, 9)) == 9


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("word", [*ALL, DOING.replace("\x00", ""), "plain", "", "'\\x1b\x1bf'", "a\\\n'b"])
def test_a_shell_reads_the_word_that_was_meant(word):
    written = quoted(word)
    assert not _ANY.search(written)
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = ["bash", "-c", f"printf %s {written}"]
    read = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    assert read == os.fsencode(word)
