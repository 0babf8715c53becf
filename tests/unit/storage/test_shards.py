"""Shards of a matrix: each gone on from where it was kept, and all of them cut into arrays."""

import numpy as np
import pytest

from backward_search.errors import DataError, MissingError
from backward_search.storage import shards
from backward_search.storage.shards import Shard, Shards, rows_of_a_shard

MATRIX = np.arange(11 * 3, dtype=np.float32).reshape(11, 3)


@pytest.fixture
def whole(tmp_path):
    """The shards of eleven rows of three numbers, two rows in each but the last."""
    made = Shards(tmp_path / "shards", MATRIX.shape, batch=2)
    made.claim("same")
    return made


def write(shard: Shard, rows: int) -> None:
    """Write the next rows of the matrix, one after the other."""
    for _ in range(rows):
        shard.write(MATRIX[shard.left[0]][None])


def finish(whole: Shards, numbers) -> None:
    for number in numbers:
        shard = whole.shard(number)
        write(shard, len(shard.left))
        shard.finish()


@pytest.mark.parametrize("images", [1, 255, 257, 5_000, 32_768, 40_000, 999_999, 10**8])
def test_shards_are_whole_batches_and_enough_for_many_processes(images):
    for batch in (1, 7, 256, 100_000):
        rows = rows_of_a_shard(images, batch)
        count = -(-images // rows)
        assert rows % batch == 0
        assert rows <= max(batch, shards.MOST_ROWS)
        assert count >= min(-(-images // batch), 128)
        assert count <= max(256, 2 * images // shards.MOST_ROWS)


def test_shards_in_any_order_become_arrays_of_their_columns(whole, tmp_path):
    assert whole.unfinished() == list(range(6))
    finish(whole, [5, 0, 3])
    assert whole.unfinished() == [1, 2, 4]
    finish(whole, [4, 2, 1])
    places = {tmp_path / "z.npy": 2, tmp_path / "logits.npy": 1}
    whole.cut(places)
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy", mmap_mode="r"), MATRIX[:, :2])
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy", mmap_mode="r"), MATRIX[:, 2:])
    shards.remove(tmp_path / "shards")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["logits.npy", "z.npy"]


def test_rows_that_were_kept_are_gone_on_from(tmp_path):
    place = tmp_path / "000000.npy"
    first = Shard(place, range(3, 8), 3)
    write(first, 2)
    first.keep()
    write(first, 1)  # written, but not kept: the next process writes it again
    second = Shard(place, range(3, 8), 3)
    assert second.left == range(5, 8)
    write(second, 3)
    assert not place.exists()
    second.keep()
    third = Shard(place, range(3, 8), 3)  # killed when it was full, and not yet at its place
    assert not third.left
    third.finish()
    np.testing.assert_array_equal(np.load(place), MATRIX[3:8])
    assert [file.name for file in tmp_path.iterdir()] == [place.name]


def test_what_was_kept_without_its_rows_does_not_count(tmp_path):
    place = tmp_path / "000000.npy"
    first = Shard(place, range(5), 3)
    write(first, 2)
    first.keep()
    (tmp_path / ".000000.growing.npy").unlink()
    assert Shard(place, range(5), 3).done == 0


@pytest.mark.parametrize(("identity", "rows", "batch"), [("other", 11, 2), ("same", 12, 2), ("same", 11, 3)])
def test_shards_of_another_identity_or_cut_are_dropped(whole, tmp_path, identity, rows, batch):
    finish(whole, [0, 1])
    whole.claim("same")
    assert whole.unfinished() == [2, 3, 4, 5]
    other = Shards(tmp_path / "shards", (rows, 3), batch)
    other.claim(identity)
    assert other.unfinished() == list(range(len(other)))


def test_a_missing_or_damaged_shard_is_named_and_nothing_is_put_in_place(whole, tmp_path):
    place = tmp_path / "z.npy"
    finish(whole, [0, 1, 2, 3, 5])
    with pytest.raises(MissingError, match=r"000004\.npy does not exist.*share this folder"):
        whole.cut({place: 3})
    np.save(tmp_path / "shards" / "000004.npy", MATRIX[8:9])
    with pytest.raises(DataError, match=r"000004\.npy has the shape \(1, 3\)"):
        whole.cut({place: 3})
    (tmp_path / "shards" / "000004.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"000004\.npy is damaged"):
        whole.cut({place: 3})
    assert not place.exists()
