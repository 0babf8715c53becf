"""Files that are whole or absent, whoever is killed and whoever else writes."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from scripts_by_name import PROJECT

from backward_search.storage.atomic import remove_leftovers, replacing


def test_what_a_killed_process_had_half_written_goes_and_what_a_living_one_writes_stays(tmp_path):
    code = f"import os, sys; sys.path.insert(0, {str(PROJECT / 'src')!r})\n" + (
        "from backward_search.storage.atomic import replacing\nfrom pathlib import Path\n"
        f"with replacing(Path({str(tmp_path / 'a.json')!r})) as file:\n    file.touch()\n    os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    with replacing(tmp_path / "a.json") as own:
        own.touch()
        remove_leftovers(tmp_path)
        assert own.exists()
        assert not left.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_threads_that_write_the_same_file_do_not_take_it_from_one_another(tmp_path):
    together = threading.Barrier(8)

    def write(number: int) -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text(str(number))
            together.wait(10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
