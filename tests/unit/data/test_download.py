import dataclasses
import fcntl
import hashlib
import io
import re
import sys
import tarfile
from types import ModuleType, SimpleNamespace

import pytest
from file_server import serving
from raw_cub import write_cub
from scripts_by_name import script

from backward_search.data import download, registry
from backward_search.data.download import Download, HubDownload, fetch
from backward_search.errors import DataError, MissingError, OptionError
from backward_search.readers.cub import source as cub
from backward_search.readers.cub.lists import locate
from backward_search.storage.fetching import Patience
from backward_search.storage.paths import DataPaths

HASTE = Patience(attempts=3, first_wait=0.01, longest_wait=0.02, timeout=0.3)
ELSEWHERE = "put it there by hand"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving() as running:
        yield running


@pytest.fixture
def paths(tmp_path):
    return DataPaths(tmp_path / "data", "CUB")


def tape(folder, mode="w:gz"):
    """The bytes of an archive of everything in a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return content.getvalue()


@pytest.fixture
def lists(tmp_path):
    """A small archive of text files."""
    folder = tmp_path / "made" / "attribute_data"
    folder.mkdir(parents=True)
    (folder / "apascal_train.txt").write_text("2008_000008.jpg person 1 2 3 4\n")
    return tape(folder.parent)


def test_cub_is_fetched_unpacked_and_found_by_its_reader(server, paths, tmp_path):
    write_cub(tmp_path / "made", classes=2, images_per_class=3)
    content = tape(tmp_path / "made")
    url, file = server.publish("/CUB_200_2011.tgz", content, cuts=[len(content) // 2])
    published = Download(
        url=f"{url}?download=1",
        target="CUB_200_2011.tgz",
        alternatives=ELSEWHERE,
        md5=hashlib.md5(content).hexdigest(),
        size=len(content),
        unpack=True,
    )
    fetch("CUB", paths, [published], HASTE)
    raw = locate(paths)
    assert raw.images.read_bytes() == (tmp_path / "made/CUB_200_2011/images.txt").read_bytes()
    assert raw.attributes == paths.folder / "attributes.txt"
    fetch("CUB", paths, [published], HASTE)
    assert file.asked == ["", f"bytes={len(content) // 2}-"]


def test_a_script_fetches_and_prepares(server, tmp_path, monkeypatch):
    write_cub(tmp_path / "made", classes=2, images_per_class=10)
    content = tape(tmp_path / "made")
    url, file = server.publish("/CUB_200_2011.tgz", content, cuts=[1000])
    real = cub.DOWNLOADS[0]
    md5 = hashlib.md5(content).hexdigest()
    local = dataclasses.replace(real, url=url, sha256=None, md5=md5, size=len(content))
    monkeypatch.setattr(cub, "DOWNLOADS", (local,))
    prepare = script("A1.Data-Preprocessing-CUB")
    prepare(["--data_root", str(tmp_path / "data"), "--download", "True"])
    paths = DataPaths(tmp_path / "data", "CUB")
    rows = [len(paths.table(split).read_text().splitlines()) - 1 for split in ("train", "test")]
    assert rows == [14, 6]
    prepare(["--data_root", str(tmp_path / "data"), "--download", "True"])
    assert file.asked == ["", "bytes=1000-"]
    log = paths.log.read_text()
    assert f"fetching {url}" in log
    assert "fetched and unpacked already" in log


def test_an_archive_removed_after_unpacking_is_not_fetched_again(server, paths, lists):
    url, file = server.publish("/lists.tar.gz", lists)
    published = Download(url=url, target="lists.tar.gz", alternatives=ELSEWHERE, unpack=True)
    fetch("APY", paths, [published], HASTE)
    (paths.folder / "lists.tar.gz").unlink()
    fetch("APY", paths, [published], HASTE)
    assert len(file.asked) == 1


def test_an_archive_put_there_by_hand_is_unpacked(server, paths, lists):
    url, file = server.publish("/lists.tar.gz", lists)
    paths.folder.mkdir(parents=True)
    (paths.folder / "lists.tar.gz").write_bytes(lists)
    fetch("APY", paths, [Download(url=url, target="lists.tar.gz", alternatives=ELSEWHERE, unpack=True)], HASTE)
    assert (paths.folder / "attribute_data/apascal_train.txt").exists()
    assert not file.asked


def test_an_archive_goes_below_a_folder_of_its_own(server, paths, lists):
    url, _ = server.publish("/lists.tar.gz", lists)
    fetch("APY", paths, [Download(url=url, target="raw/lists.tar.gz", alternatives=ELSEWHERE, unpack=True)], HASTE)
    assert (paths.folder / "raw/attribute_data/apascal_train.txt").exists()


def test_a_page_instead_of_an_archive_does_not_stay(server, paths):
    url, _ = server.publish("/lists.tar.gz", b"<html>The page has moved</html>" * 100)
    with pytest.raises(DataError, match=f"{re.escape(url)} is not the published file .*archive.*: {ELSEWHERE}"):
        fetch("APY", paths, [Download(url=url, target="lists.tar.gz", alternatives=ELSEWHERE, unpack=True)], HASTE)
    assert not list(paths.folder.iterdir())


def test_a_dead_link_stops_unless_the_files_came_by_another_way(server, paths, lists):
    dead = f"http://127.0.0.1:{server.server_port}/dead.tar.gz"
    url, file = server.publish("/images.tar.gz", lists)
    published = [
        Download(url=dead, target="dead.tar.gz", alternatives=ELSEWHERE, unless=(("attributes/*.txt",), ("*.txt",))),
        Download(url=url, target="images.tar.gz", alternatives=ELSEWHERE),
    ]
    with pytest.raises(MissingError, match=rf"{re.escape(dead)} could not be fetched \(HTTP 404 .*\): {ELSEWHERE}$"):
        fetch("APY", paths, published, HASTE)
    assert not file.asked
    (paths.folder / "apascal_train.txt").write_text("")
    fetch("APY", paths, published, HASTE)
    assert (paths.folder / "images.tar.gz").read_bytes() == lists


def test_the_data_set_says_what_is_published(server, paths, lists, monkeypatch):
    url, _ = server.publish("/lists.tar.gz", lists)
    module = SimpleNamespace(DOWNLOADS=(Download(url=url, target="lists.tar.gz", alternatives=ELSEWHERE),))
    monkeypatch.setattr(registry, "module_of", {"APY": module}.get)
    fetch("APY", paths, patience=HASTE)
    assert (paths.folder / "lists.tar.gz").exists()


@pytest.mark.parametrize("name", ["glyphs", "my-own"])
def test_nothing_is_published_for_the_others(paths, name):
    with pytest.raises(OptionError, match=f"nothing to download for {name}"):
        fetch(name, paths)


def test_two_processes_do_not_fetch_into_the_same_folder(server, paths, lists):
    url, file = server.publish("/lists.tar.gz", lists)
    published = [Download(url=url, target="lists.tar.gz", alternatives=ELSEWHERE)]
    paths.folder.mkdir(parents=True)
    with (paths.folder / ".download.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process is fetching"):
            fetch("APY", paths, published, HASTE)
    assert not file.asked
    fetch("APY", paths, published, HASTE)
    assert len(file.asked) == 1


SHARDS = HubDownload(repo_id="huggan/wikiart", target="parquet", patterns=("data/*.parquet",), alternatives=ELSEWHERE)


class Hub(ModuleType):
    """Stands in for huggingface_hub: notes its calls and writes two shards."""

    def __init__(self):
        super().__init__("huggingface_hub")
        self.calls = []
        self.names = ["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
        self.offline = False
        self.error = None
        self.utils = SimpleNamespace(disable_progress_bars=lambda: self.calls.append("silent"))

    def list_repo_files(self, repo_id, *, repo_type):
        self.calls.append(("list", repo_id, repo_type))
        return self.names

    def snapshot_download(self, repo_id, *, repo_type, allow_patterns, local_dir):
        self.calls.append(("fetch", repo_id, repo_type, allow_patterns, local_dir))
        for name in self.names[1:2] if self.offline else self.names[1:]:
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / name).write_bytes(b"PAR1")
            if self.error:
                raise self.error

    @property
    def times(self):
        return sum(call[0] == "fetch" for call in self.calls)


@pytest.fixture
def hub(monkeypatch):
    module = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", module.utils)
    return module


def test_shards_come_from_the_hub_once(hub, paths):
    fetch("wikiart", paths, [SHARDS])
    fetch("wikiart", paths, [SHARDS])
    assert hub.calls == [
        "silent",
        ("list", "huggan/wikiart", "dataset"),
        ("fetch", "huggan/wikiart", "dataset", ["data/*.parquet"], paths.folder / "parquet"),
    ]
    assert len(list(paths.folder.rglob("*.parquet"))) == 2


@pytest.mark.parametrize("damage", ["missing", "other size"])
def test_shards_that_went_missing_are_fetched_again(hub, paths, damage):
    fetch("wikiart", paths, [SHARDS])
    shard = paths.folder / "parquet" / hub.names[1]
    shard.unlink() if damage == "missing" else shard.write_bytes(b"P")
    fetch("wikiart", paths, [SHARDS])
    assert hub.times == 2
    assert shard.read_bytes() == b"PAR1"


def test_a_hub_that_breaks_off_is_one_line_and_goes_on(hub, paths):
    hub.error = RuntimeError("Cannot reach\nthe server")
    with pytest.raises(MissingError) as error:
        fetch("wikiart", paths, [SHARDS])
    message = str(error.value)
    assert "huggan/wikiart could not be fetched from the Hugging Face Hub (Cannot reach the server)" in message
    assert message.endswith(ELSEWHERE)
    hub.error = None
    fetch("wikiart", paths, [SHARDS])
    assert hub.times == 2


def test_a_repository_without_shards_is_said(hub, paths):
    hub.names = ["README.md"]
    with pytest.raises(MissingError, match=r"it has no such files any more"):
        fetch("wikiart", paths, [SHARDS])


def test_a_library_content_with_what_is_there_is_not_believed(hub, paths):
    hub.offline = True
    with pytest.raises(MissingError, match="1 of 2 files did not come"):
        fetch("wikiart", paths, [SHARDS])
    hub.offline = False
    fetch("wikiart", paths, [SHARDS])
    assert hub.times == 2


def test_without_the_library_it_says_what_to_install(paths, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingError, match=rf'not installed: pip install "\.\[download\]" .*, or else {ELSEWHERE}$'):
        fetch("wikiart", paths, [SHARDS])


@pytest.mark.parametrize("name", registry.names("data"))
def test_what_the_data_sets_declare_is_well_formed(name):
    for published in getattr(registry.module_of(name), "DOWNLOADS", ()):
        assert isinstance(published, Download | HubDownload)
        assert len(published.alternatives) > 20
        assert "\n" not in published.alternatives
        assert ".." not in published.target
        if isinstance(published, download.Download):
            assert re.match(r"https?://[\w.-]+/", published.url)
            assert published.md5 is None or re.fullmatch("[0-9a-f]{32}", published.md5)
            assert published.sha256 is None or re.fullmatch("[0-9a-f]{64}", published.sha256)
