import io
import shutil
import stat
import tarfile
import zipfile

import pytest

from backward_search.errors import DataError
from backward_search.storage import unpacking
from backward_search.storage.unpacking import is_archive, is_unpacked, unpack

FILES = {"birds/images/a.jpg": b"a" * 3000, "birds/images/b.jpg": b"b" * 5000, "attributes.txt": b"1 has_bill\n"}


def tape(path, files, mode="w", extra=()):
    """Write a tar archive; `extra` are further TarInfo entries without content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in extra:
            archive.addfile(entry)
    return path


def packed(path, files, infos=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for info in infos:
            archive.writestr(info, "/etc/passwd")
    return path


def special(name, kind, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def everything(folder):
    """Every file below a folder with its content, less what is hidden."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


MAKERS = {
    "a.tar": lambda path, files: tape(path, files),
    "a.tgz": lambda path, files: tape(path, files, "w:gz"),
    "a.tar.xz": lambda path, files: tape(path, files, "w:xz"),
    "a.zip": packed,
    "named-wrongly": lambda path, files: tape(path, files, "w:gz"),
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "CUB"


@pytest.mark.parametrize("name", MAKERS)
def test_an_archive_is_unpacked_beside_itself(folder, name):
    archive = MAKERS[name](folder / name, FILES)
    assert is_archive(archive)
    assert not is_unpacked(archive)
    unpack(archive)
    assert is_unpacked(archive)
    assert everything(folder) == {**FILES, name: archive.read_bytes()}
    assert not list(folder.glob(".*.unpacking"))


def test_it_is_not_unpacked_twice(folder):
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    unpack(archive)
    (folder / "attributes.txt").write_bytes(b"mine")
    unpack(archive)
    assert (folder / "attributes.txt").read_bytes() == b"mine"


def test_it_is_unpacked_again_when_something_is_missing_or_the_archive_is_another(folder):
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    unpack(archive)
    shutil.rmtree(folder / "birds")
    assert not is_unpacked(archive)
    unpack(archive)
    assert (folder / "birds/images/b.jpg").exists()
    tape(archive, {"birds/images/c.jpg": b"c" * 9000}, "w")
    assert not is_unpacked(archive)
    unpack(archive)
    assert (folder / "birds/images/c.jpg").exists()


def test_the_archive_may_go_once_it_is_unpacked(folder):
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    unpack(archive)
    archive.unlink()
    assert is_unpacked(archive)


def test_folders_that_are_there_take_the_files_in(folder):
    (folder / "birds/images").mkdir(parents=True)
    (folder / "birds/images/b.jpg").write_bytes(b"half")
    (folder / "birds/mine.txt").write_bytes(b"mine")
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    unpack(archive)
    assert everything(folder) == {**FILES, "birds/mine.txt": b"mine", "a.tgz": archive.read_bytes()}


@pytest.mark.parametrize("mine", ["attributes.txt", "birds"])
def test_a_folder_in_the_way_of_a_file_and_the_reverse_are_named(folder, mine):
    (folder / mine).mkdir(parents=True) if "." in mine else tape(folder / mine, {})
    with pytest.raises(DataError, match=f"{mine} is in the way"):
        unpack(tape(folder / "a.tgz", FILES, "w:gz"))
    assert not is_unpacked(folder / "a.tgz")


EVIL = {
    "dots": lambda path: tape(path, {"ok.txt": b"", "../evil.txt": b"evil"}),
    "dots within": lambda path: tape(path, {"birds/../../evil.txt": b"evil"}),
    "absolute": lambda path: tape(path, {f"{path.parent.parent}/evil.txt": b"evil"}),
    "link out": lambda path: tape(path, {"ok.txt": b""}, extra=[special("evil.txt", tarfile.SYMTYPE, "../../x")]),
    "link, then through it": lambda path: tape(
        path, {}, extra=[special("out", tarfile.SYMTYPE, ".."), special("out/evil.txt", tarfile.REGTYPE)]
    ),
    "hard link": lambda path: tape(path, {"ok.txt": b""}, extra=[special("evil.txt", tarfile.LNKTYPE, "/etc/passwd")]),
    "device": lambda path: tape(path, {}, extra=[special("evil.txt", tarfile.CHRTYPE)]),
    "fifo": lambda path: tape(path, {}, extra=[special("evil.txt", tarfile.FIFOTYPE)]),
    "zip dots": lambda path: packed(path, {"../evil.txt": b"evil"}),
    "zip backslashes": lambda path: packed(path, {"..\\evil.txt": b"evil"}),
    "zip drive": lambda path: packed(path, {"C:/evil.txt": b"evil"}),
    "zip link": lambda path: packed(path, {}, [link_info("evil.txt")]),
}


def link_info(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("kind", EVIL)
def test_nothing_leaves_the_folder(tmp_path, folder, kind):
    archive = EVIL[kind](folder / "a.tar")
    with pytest.raises(DataError, match=r"a\.tar is not safe to unpack") as error:
        unpack(archive)
    assert "\n" not in str(error.value)
    assert list(folder.iterdir()) == [archive]
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()] == [archive]


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.tar.xz", "a.zip"])
def test_a_damaged_archive_is_named_and_leaves_nothing(folder, name):
    archive = MAKERS[name](folder / name, {"birds/images/a.jpg": bytes(range(256)) * 100, **FILES})
    archive.write_bytes(archive.read_bytes()[:-150] if name != "a.tar" else archive.read_bytes()[:9000])
    with pytest.raises(DataError, match=f"{name} is damaged .*delete it and run the command again"):
        unpack(archive)
    assert list(folder.iterdir()) == [archive]


def test_something_else_than_an_archive_is_damaged(folder):
    folder.mkdir(parents=True)
    page = folder / "a.tgz"
    page.write_bytes(b"<html>The page has moved</html>" * 100)
    assert not is_archive(page)
    with pytest.raises(DataError, match="is damaged"):
        unpack(page)


def test_the_first_bytes_of_an_archive_are_none(folder):
    archive = tape(folder / "a.tgz", {"noise": bytes(range(256)) * 40}, "w:gz")
    archive.write_bytes(archive.read_bytes()[:40])
    assert not is_archive(archive)
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive)


def test_a_kill_in_between_leaves_it_to_the_next_call(folder, monkeypatch):
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    settle = unpacking._settle

    def stopped(source, place):
        if source.is_dir():
            raise KeyboardInterrupt
        settle(source, place)

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_settle", stopped)
        with pytest.raises(KeyboardInterrupt):
            unpack(archive)
    assert not is_unpacked(archive)
    assert (folder / "attributes.txt").exists()  # folders come last
    assert not (folder / "birds").exists()
    unpack(archive)
    assert everything(folder) == {**FILES, "a.tgz": archive.read_bytes()}


def test_leftovers_of_a_killed_process_are_not_taken_in(folder):
    archive = tape(folder / "a.tgz", FILES, "w:gz")
    (folder / ".a.tgz.unpacking/birds").mkdir(parents=True)
    (folder / ".a.tgz.unpacking/birds/half.jpg").write_bytes(b"half")
    unpack(archive)
    assert everything(folder) == {**FILES, "a.tgz": archive.read_bytes()}


def test_a_full_disk_is_one_line(folder, monkeypatch):
    archive = tape(folder / "a.tgz", FILES, "w:gz")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "_write", full)
    with pytest.raises(DataError, match=r"a\.tgz cannot be unpacked: No space left on device"):
        unpack(archive)
    assert list(folder.iterdir()) == [archive]


def test_a_tape_that_holds_a_zip_archive_is_a_tape(folder, tmp_path):
    inner = packed(tmp_path / "inner.zip", {"x.txt": b"x"}).read_bytes()
    archive = tape(folder / "a.tar", {"inner.zip": inner})
    unpack(archive)
    assert (folder / "inner.zip").read_bytes() == inner
    assert not (folder / "x.txt").exists()


@pytest.mark.parametrize("make", [tape, packed])
def test_names_that_some_disks_take_for_one_are_refused(tmp_path, make):
    archive = make(tmp_path / "a", {"birds/A.jpg": b"1", "birds/a.jpg": b"2"})
    with pytest.raises(DataError, match=r"'birds/a.jpg' twice, spelt in two ways"):
        unpack(archive)
    assert not (tmp_path / "birds").exists()


@pytest.mark.parametrize("name", ["../" * 3000 + "a", "a" * 5000, "/".join(["b" * 250] * 30)])
@pytest.mark.parametrize("make", [tape, packed])
def test_a_line_about_a_long_name_is_short(tmp_path, make, name):
    with pytest.raises(DataError) as caught:
        unpack(make(tmp_path / "a", {name: b""}))
    said = str(caught.value)
    assert len(said) < 400 + len(str(tmp_path))
    assert "\n" not in said


@pytest.mark.parametrize("place", [0, 1])
def test_a_huge_description_of_an_entry_is_not_read(tmp_path, place, monkeypatch):
    monkeypatch.setattr(unpacking, "LONG_NAME", 4000)
    entries = [tarfile.TarInfo("a"), tarfile.TarInfo("b")]
    entries[place].pax_headers = {"comment": "c" * 5000}
    archive = tape(tmp_path / "a.tar", {}, extra=entries)
    assert is_archive(archive)
    with pytest.raises(DataError, match=r"is damaged \(it describes an entry by 5,\d+ bytes\)"):
        unpack(archive)


@pytest.mark.parametrize("at", ["local", "central"])
def test_a_zip_file_whose_names_are_no_text(tmp_path, at):
    archive = packed(tmp_path / "a.zip", {"caf\u00e9.jpg": b"x"})
    content = bytearray(archive.read_bytes())
    name = "caf\u00e9".encode()
    where = content.index(name) if at == "local" else content.rindex(name)
    content[where + 3] = 0x97
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive)
