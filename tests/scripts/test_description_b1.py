"""Every B1 and C1 command of the published description runs as written, on small folders in the real formats.

Only what makes a run small is added: where the data lie, one epoch, 32 pixels, no downloaded weights.
"""

import json

import numpy as np
import pytest
from raw_apy import write_apy
from raw_cub import write_cub
from raw_wikiart import write_wikiart
from test_training import script

RUNS = {
    "wikiart": ("stylegenre", {"style": 3, "genre": 3}),
    "CUB": ("birds", {"birds": 4}),
    "APY": ("category", {"category": 4}),
}
B1 = "--encoder_model convnext_base --encoding_size 256 --dataset_name {} --category_type {}"
SMALL = "--image_size 32 --pretrained False --num_epoch 1 --batch_size 16"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    data = folder / "data"
    write_cub(data / "CUB", classes=4, images_per_class=8, attributes=40)
    write_apy(data / "APY", classes=4, train=16, test=12)
    write_wikiart(data / "wikiart", images=40, styles=3, genres=3)
    for name in RUNS:
        script(f"A1.Data-Preprocessing-{name}")(["--data_root", str(data)])
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_the_commands_of_training_and_embedding(folder, name):
    category_type, classes = RUNS[name]
    roots = ["--data_root", str(folder / "data"), "--weight_root", str(folder / "weight")]
    words = B1.format(name, category_type).split()
    run = script("B1")([*words, *roots, *SMALL.split()])
    assert run.name == (
        f"CIR_Model-dataset{name}-cate{category_type}-basemodelconvnext_base-encodingsize256-enc_updateTrue"
        "-num_epoch1-final"
    )
    assert {
        key: len(labels) for key, labels in json.loads((run / "config.json").read_text())["classes"].items()
    } == classes
    embeddings = script("C1")([*words, *roots, "--num_epoch", "1"])
    for split in ("train", "test"):
        table = folder / "data" / name / "attributions" / f"preprocessed_{name}_{split}.csv"
        rows = len(table.read_text().splitlines()) - 1
        assert np.load(embeddings / f"{split}.npy").shape == (rows, 256)
        for attribute, count in classes.items():
            assert np.load(embeddings / f"{split}-logits-{attribute}.npy").shape == (rows, count)
    for file in run.glob("*.safetensors"):  # 350 MB each
        file.unlink()
