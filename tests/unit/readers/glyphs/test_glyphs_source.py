"""The demo data set."""

import numpy as np

from backward_search.readers.glyphs import source as glyphs
from backward_search.storage.paths import DataPaths


def test_there_are_561_characters_in_16_faces():
    assert len(glyphs.characters()) == 561
    assert len(glyphs.FACES) == 16


def test_whole_characters_are_held_out(tmp_path):
    samples = glyphs.samples(DataPaths(tmp_path, "glyphs"), seed=0)
    groups = np.array(samples.groups)
    train, test = (set(groups[samples.splits[split]]) for split in ("train", "test"))
    assert not train & test
    assert len(test) == 561 // 5
    assert len(samples.splits["test"]) == 16 * len(test)


def test_drawing_is_deterministic_and_no_image_is_blank():
    drawn = dict(list(zip(range(60), glyphs.drawings(), strict=False)))
    again = dict(list(zip(range(60), glyphs.drawings(), strict=False)))
    for place, (key, image) in drawn.items():
        assert again[place][0] == key
        assert image.tobytes() == again[place][1].tobytes()
        assert np.asarray(image).min() < 60
