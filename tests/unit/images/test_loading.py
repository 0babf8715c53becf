"""The loader: every row once, in batches that suit BatchNorm, shared among processes, and gone on within an epoch."""

import dataclasses
import gc
import multiprocessing
import time

import numpy as np
import pytest
import torch
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.distributed import ALONE, Group
from backward_search.errors import DataError
from backward_search.images import loading
from backward_search.images.loading import ImageLoader, unreadable_images

LOOK = Preprocessing(size=8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    places = [folder / f"{number}.png" for number in range(13)]
    for place in places:
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(place)
    return places


def loader(files, size: int = 4, seed: int | None = 0, group: Group = ALONE, **more) -> ImageLoader:
    labels = {"kind": np.arange(len(files))}
    return ImageLoader(files, labels, LOOK, batch_size=size, workers=0, seed=seed, group=group, **more)


@pytest.mark.parametrize(
    ("seed", "processes", "sizes"), [(None, 1, [4, 4, 4, 1]), (0, 1, [4, 4, 5]), (0, 2, [4, 4, 5])]
)
def test_a_rest_too_small_for_batchnorm_joins_the_batch_before(files, seed, processes, sizes):
    assert [len(rows) for rows in loader(files, seed=seed, group=Group(0, processes)).batches()] == sizes


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_are_the_batch_each_image_once_with_the_weight_of_its_mean(files, seed, processes):
    shares = [list(loader(files, 6, seed, Group(rank, processes)).epoch(1)) for rank in range(processes)]
    whole = list(loader(files, 6, seed).epoch(1))
    batches = loader(files, 6, seed, Group(0, processes)).batches(1)
    seen = sorted(row for share in shares for batch in share for row in batch.rows.tolist())
    assert seen == list(range(13))
    for step in range(len(shares[0])):
        parts = [share[step] for share in shares]
        assert sum(len(part.rows) for part in parts) == len(batches[step])
        mean = sum(part.weight * part.rows.double().mean() for part in parts) / processes
        assert mean == pytest.approx(torch.cat([part.rows for part in parts]).double().mean().item())
        assert all(part.labels["kind"].tolist() == part.rows.tolist() for part in parts)
    assert whole[0].weight == 1.0


def test_an_epoch_is_gone_on_with_the_same_pixels(files):
    whole = list(loader(files).epoch(2))
    rest = list(loader(files).epoch(2, skip=2))
    assert len(rest) == len(whole) - 2
    for one, other in zip(whole[2:], rest, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.rows, other.rows)
    assert not list(loader(files).epoch(2, skip=3))


def test_pixels_kept_from_part_of_an_epoch_do_not_count_as_all(files):
    again = loader(files, seed=None)
    list(again.epoch(skip=2))
    expected = [batch.pixels for batch in loader(files, seed=None, keep=False).epoch()]
    for _ in range(2):
        assert all(torch.equal(a.pixels, b) for a, b in zip(again.epoch(), expected, strict=True))


def test_processes_live_from_epoch_to_epoch_until_they_are_not_needed(files):
    labels = {"kind": np.arange(len(files))}
    kept = dataclasses.replace(LOOK, augment=False)
    ours = {}
    for look in (LOOK, kept):
        read = ImageLoader(files, labels, look, batch_size=4, workers=2, seed=0)
        for epoch in range(3):
            alone = ImageLoader(files, labels, look, batch_size=4, workers=0, seed=0)
            for one, other in zip(read.epoch(epoch), alone.epoch(epoch), strict=True):
                assert torch.equal(one.pixels, other.pixels)
                assert torch.equal(one.labels["kind"], one.rows)
            ours[look, epoch] = {child.pid for child in multiprocessing.active_children()}
        del read
        gc.collect()
    assert len(ours[LOOK, 0]) == 2
    assert ours[LOOK, 0] == ours[LOOK, 1] == ours[LOOK, 2]
    assert ours[kept, 0] == ours[kept, 2] == set()


@pytest.mark.parametrize("pace", ["quick", "slow"])
def test_pieces_of_one_image_come_whole_through_few_slots(files, monkeypatch, pace):
    monkeypatch.setattr(loading, "PIECE_BYTES", 0)
    monkeypatch.setattr(loading, "LEAST_PIECE", 1)
    many = files * 6
    labels = {"kind": np.arange(len(many))}
    ours, alone = (ImageLoader(many, labels, LOOK, batch_size=7, workers=n, seed=0, keep=False) for n in (2, 0))
    for epoch in range(2):
        for one, other in zip(ours.epoch(epoch), alone.epoch(epoch), strict=True):
            assert torch.equal(one.pixels, other.pixels)
            assert torch.equal(one.rows, other.rows)
            time.sleep(0.02 if pace == "slow" else 0)
    assert len(ours._ring) == 9  # far fewer than there are pieces


@pytest.mark.parametrize("skip", [2, 3])
def test_an_epoch_that_is_nearly_over_leaves_enough_for_the_next(files, skip):
    labels = {"kind": np.arange(len(files))}
    ours, alone = (ImageLoader(files, labels, LOOK, batch_size=5, workers=n, seed=0, keep=False) for n in (2, 0))
    for epoch, left in ((0, skip), (1, 0)):
        for one, other in zip(ours.epoch(epoch, left), alone.epoch(epoch, left), strict=True):
            assert torch.equal(one.pixels, other.pixels)
    assert len(multiprocessing.active_children()) >= 2


def test_too_few_images_for_the_processes(files):
    with pytest.raises(DataError, match="too few"):
        loader(files[:3], group=Group(0, 2))


def test_unreadable_images_are_found_by_row(files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    found = unreadable_images([files[0], broken, tmp_path / "nowhere.png"], workers=0)
    assert list(found) == [1, 2]
    assert str(broken) in found[1]
