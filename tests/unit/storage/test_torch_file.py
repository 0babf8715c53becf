"""State dicts out of others' torch files: both of the library's forms, and nothing that would run."""

import argparse
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
from published_files import Hostile, PublishedStudent, used, write_student
from torch import nn

from backward_search.errors import DataError, MissingError
from backward_search.storage.torch_file import load_state_dict


def network() -> nn.Module:
    torch.manual_seed(0)
    return used(PublishedStudent(3), 0)


@pytest.mark.parametrize("new_form", [True, False])
@pytest.mark.parametrize("entry", ["", "model_state_dict"])
def test_the_tensors_come_back(entry: str, new_form: bool, tmp_path: Path) -> None:
    state = network().state_dict()
    optimizer = torch.optim.Adam(network().parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    others = {"optimizer_state_dict": optimizer.state_dict(), "scheduler_state_dict": schedule.state_dict()}
    content = {entry: state, **others} if entry else state
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_form)
    loaded = load_state_dict(tmp_path / "a.pth", entry)
    assert list(loaded) == list(state)
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize("new_form", [True, False])
def test_the_options_of_a_training_may_lie_beside_its_tensors(new_form: bool, tmp_path: Path) -> None:
    content = {"model": network().state_dict(), "args": argparse.Namespace(lr=0.1)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_form)
    assert list(load_state_dict(tmp_path / "a.pth", "model")) == list(network().state_dict())
    content["args"].more = Hostile(tmp_path / "mark")
    torch.save(content, tmp_path / "b.pth", _use_new_zipfile_serialization=new_form)
    with pytest.raises(DataError, match="is not read"):
        load_state_dict(tmp_path / "b.pth", "model")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("new_form", [True, False])
@pytest.mark.parametrize("what", ["hostile", "module"])
def test_anything_but_data_is_refused_and_not_run(what: str, new_form: bool, tmp_path: Path) -> None:
    held = Hostile(tmp_path / "mark") if what == "hostile" else network()
    content = {"model_state_dict": network().state_dict(), "more": held}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_form)
    with pytest.raises(DataError, match="is not read"):
        load_state_dict(tmp_path / "a.pth", "model_state_dict")
    assert not (tmp_path / "mark").exists()


@pytest.mark.filterwarnings("error")
def test_bare_and_old_pickles_are_refused(tmp_path: Path) -> None:
    bomb = pickle.dumps(Hostile(tmp_path / "mark"))
    (tmp_path / "bare.pth").write_bytes(bomb)
    with tarfile.open(tmp_path / "tar.pth", "w") as archive:
        for part in ("storages", "tensors", "pickle"):
            archive.add(tmp_path / "bare.pth", part)
    for name in ("bare.pth", "tar.pth"):
        with pytest.raises(DataError, match=name):
            load_state_dict(tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("new_form", [True, False])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_short(share: float, new_form: bool, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=new_form)
    whole = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"a\.pth .*get"):
        load_state_dict(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [3, [], {}, {"model_state_dict": [1]}, {"a": 1.0}, {1: torch.ones(2)}])
def test_other_data_are_no_state_dict(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DataError, match="no state dict"):
        load_state_dict(tmp_path / "a.pth", "model_state_dict")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write_student(tmp_path / "a.pth", network())
    with pytest.raises(MissingError, match="does not exist"):
        load_state_dict(tmp_path / "b.pth")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_wrappers_put_before_the_names_is_taken_off(prefix: str, tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save({f"{prefix}{name}": value for name, value in state.items()}, tmp_path / "a.pth")
    assert list(load_state_dict(tmp_path / "a.pth")) == list(state)
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(mixed, tmp_path / "b.pth")
    assert list(load_state_dict(tmp_path / "b.pth")) == list(mixed)
