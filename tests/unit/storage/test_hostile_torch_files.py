"""Torch files made to take up time or memory, or to be misread, are refused in one line; so are damaged ones."""

import random
import zipfile

import pytest
import torch
from heavy import as_key, repacked

from backward_search.errors import DataError
from backward_search.model.weights import read_weights
from backward_search.storage.torch_file import load_plain, load_state_dict


def in_zip(file, pickled):
    with zipfile.ZipFile(file, "w") as records:
        records.writestr("archive/data.pkl", pickled)
        records.writestr("archive/version", "3\n")
    return file


def test_tuples_of_tuples_as_keys(tmp_path):
    with pytest.raises(DataError, match="used again and again"):
        load_plain(in_zip(tmp_path / "a.pth", as_key(popped=False)))
    old = tmp_path / "old.pth"
    torch.save({"a": torch.zeros(1)}, old, _use_new_zipfile_serialization=False)
    content = old.read_bytes()
    start = content.index(b"}q\x00X\x01\x00\x00\x00a")
    old.write_bytes(content[: start - 2] + as_key(popped=False))
    with pytest.raises(DataError, match="used again and again"):
        load_plain(old)


def test_packed_records_are_not_taken_for_numbers(tmp_path):
    torch.save({"a": torch.zeros(4096)}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"data\.pkl' in it is packed"):
        load_plain(repacked(tmp_path / "a.pth", tmp_path / "b.pth"))


@pytest.mark.parametrize("read", [load_state_dict, read_weights])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(2**40),
        torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (2**40,)),
    ],
    ids=["one number many times", "sparse"],
)
def test_a_tensor_of_more_than_there_is(tensor, read, tmp_path):
    torch.save({"fc.weight": tensor}, tmp_path / "a.pth")
    with pytest.raises(DataError, match="tensors by name"):
        read(tmp_path / "a.pth")


def test_one_number_a_few_times_is_read(tmp_path):
    torch.save({"positions": torch.arange(4).expand(3, 4)}, tmp_path / "a.pth")
    assert load_state_dict(tmp_path / "a.pth")["positions"].tolist() == [[0, 1, 2, 3]] * 3


def test_dictionaries_that_hold_one_another(tmp_path):
    content: dict = {"weight": torch.zeros(2)}
    for _ in range(40):
        content = {"a": content, "b": content}
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"used again and again|no weights"):
        read_weights(tmp_path / "a.pth")
    own: dict = {}
    own["model"] = own
    torch.save(own, tmp_path / "own.pth")
    with pytest.raises(DataError, match="no weights"):
        read_weights(tmp_path / "own.pth")


@pytest.mark.parametrize("new_form", [True, False])
def test_damaged_bytes_never_raise_anything_else(new_form, tmp_path):
    file, damaged, draw = tmp_path / "a.pth", tmp_path / "b.pth", random.Random(0)
    content = {"state_dict": {"a": torch.zeros(4), "n": [1, 2.5, "x", 2**70]}, "epoch": 3}
    torch.save(content, file, _use_new_zipfile_serialization=new_form)
    whole = file.read_bytes()
    said: list[str] = []
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2, 5))):
            changed[draw.randrange(len(whole))] = draw.randrange(256)
        damaged.write_bytes(changed)
        try:
            load_plain(damaged)
        except DataError as error:
            said.append(str(error))
    assert len(said) > 20
    assert not any("\n" in words for words in said)
