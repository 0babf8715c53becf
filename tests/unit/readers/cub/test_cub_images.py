import numpy as np
import pytest
from PIL import Image

from backward_search.errors import DataError
from backward_search.readers.cub import images


def test_whole_jpeg_files_are_told_from_cut_ones(tmp_path):
    file = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file)
    whole = file.read_bytes()
    assert images.image_mode(file) == "RGB"
    for trailer in (b"\0\0", b"\xff\xd9", b"x" * 500):
        file.write_bytes(whole + trailer)
        assert images.image_mode(file) == "RGB"
    for size in (len(whole) // 2, 700, 20):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read"):
            images.image_mode(file)
