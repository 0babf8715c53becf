"""The published system's files, built small in their real form: preprocessed tables, weights, embeddings, students."""

import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from backward_search.model.encoders import SmallCNN
from backward_search.model.torchvision_models import models

STYLES = ["Baroque", "Rococo", "Ukiyo_e"]
GENRES = ["landscape", "portrait"]
LABELS = {"style": STYLES, "genre": GENRES}
MISENCODED = "joaquã\u00adn"
SIZE = 16
"""Size of the embedding."""


class PublishedModel(nn.Module):
    """The published network as it is described: its layers under the names of its state dict."""

    def __init__(
        self, encoder: str = "small_cnn", labels: Mapping[str, Sequence[str]] = LABELS, size: int = SIZE
    ) -> None:
        super().__init__()
        if encoder == "resnet18":
            self.basemodel, features = models().resnet18(), 512
            self.basemodel.fc = nn.Sequential(nn.Identity())
        else:  # not a published encoder: small, so that tests are fast
            self.basemodel, features = SmallCNN(), 128
        self.has_linear = features != size
        self.enc_linear_1 = nn.Linear(features, size)
        self.enc_batchnorm_1 = nn.BatchNorm1d(size)
        self.enc_linear_2 = nn.Linear(size, size)
        self.enc_batchnorm_2 = nn.BatchNorm1d(size)
        self.attr_clssifiers = nn.ModuleDict({name: _head(size, len(known)) for name, known in labels.items()})

    def encode(self, images: Tensor) -> Tensor:
        x = self.basemodel(images)
        if not self.has_linear:
            return torch.tanh(self.enc_batchnorm_1(x))
        x = self.enc_batchnorm_1(torch.relu(self.enc_linear_1(x)))
        return torch.tanh(self.enc_batchnorm_2(self.enc_linear_2(x)))


def _head(size: int, classes: int) -> nn.Sequential:
    head = nn.Sequential()
    head.add_module("linear_1", nn.Linear(size, 256))
    head.add_module("activation_2", nn.ReLU())
    head.add_module("batchnorm_2", nn.BatchNorm1d(256))
    head.add_module("dropout_2", nn.Dropout(0.4))
    head.add_module("linear_2", nn.Linear(256, 128))
    head.add_module("activation_3", nn.ReLU())
    head.add_module("batchnorm_3", nn.BatchNorm1d(128))
    head.add_module("dropout_3", nn.Dropout(0.4))
    head.add_module("linear_3", nn.Linear(128, classes))
    return head


class PublishedStudent(nn.Module):
    """The published student as it is described."""

    def __init__(self, classes: int, size: int = SIZE) -> None:
        super().__init__()
        self.fc1, self.bn1 = nn.Linear(size + classes, 128), nn.BatchNorm1d(128)
        self.fc2, self.bn2 = nn.Linear(128, 128), nn.BatchNorm1d(128)
        self.fc3 = nn.Linear(128, size)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(torch.sigmoid(self.fc1(x)))
        x = self.bn2(torch.sigmoid(self.fc2(x)))
        return torch.tanh(self.fc3(x))


def used(network: nn.Module, seed: int) -> nn.Module:
    """The network with the BatchNorm statistics that some training would leave, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.num_batches_tracked += 7
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                values.data.uniform_(0.2, 1.2, generator=generator)
    return network.eval()


class Hostile:
    """An object whose pickle makes a file when it is run."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._mark}",)


def key(row: int) -> str:
    name = f"{MISENCODED}-{row}" if row % 10 == 3 else f"painter-{row}"
    return f"{STYLES[row % 3]}/{name}.jpg"


def rows_of(split: str) -> range:
    return range(60) if split == "train" else range(60, 180)


def genre_of(row: int) -> str:
    return GENRES[row // 3 % 2]


def write_tables(data_root: Path) -> Path:
    """The authors' preprocessed WikiArt, images included: 60 train and 120 test images, 24 queries a task."""
    home = data_root / "wikiart" / "attributions"
    home.mkdir(parents=True)
    for split in ("train", "test"):
        rows = [[f"./data/wikiart/images/{key(r)}", 0, GENRES.index(genre_of(r)), r % 3] for r in rows_of(split)]
        frame = pd.DataFrame(rows, columns=["path", "artist", "genre", "style"])
        frame.to_csv(home / f"preprocessed_wikiart_{split}.csv", index=False)
    lists = {name: {"label2num": {label: i for i, label in enumerate(known)}} for name, known in LABELS.items()}
    lists["artist"] = {"label2num": {"someone": 0}}
    tags = {key(r): [genre_of(r), STYLES[r % 3], "oil", f"word{r % 7}"] for r in range(180)}
    both = {
        i: {
            "candidate": key(60 + 5 * i),
            "candidate_tags": "oil,word1",
            "condition": {"style": STYLES[i % 3], "genre": GENRES[i % 2]},
        }
        for i in range(24)
    }
    style = {i: {**query, "condition": {"style": STYLES[i % 3]}} for i, query in both.items()}
    pickles = {"classes.label2num": lists, "filename.tag": tags, "query_style_wikiart_test_random": style}
    for name, content in {**pickles, "query_style-genre_wikiart_test_random": both}.items():
        (home / f"{name}.pkl").write_bytes(pickle.dumps(content, 4))
    for row in range(180):
        image = data_root / "wikiart" / "images" / key(row)
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (row, 90 * (row % 3), 0)).save(image)
    return home


def run_name(dataset: str = "wikiart", category: str = "stylegenre", encoder: str = "small_cnn", **more: Any) -> str:
    settings = {"size": SIZE, "epoch": 30} | more
    return (
        f"CIR_Model-dataset{dataset}-cate{category}-basemodel{encoder}-encodingsize{settings['size']}"
        f"-enc_updateTrue-num_epoch{settings['epoch']}-final"
    )


def features(split: str) -> np.ndarray:
    """Embeddings (N, E) in the order of the table."""
    rng = np.random.default_rng(len(split))
    centres = np.random.default_rng(0).normal(0, 0.6, (6, SIZE))
    group = [row % 3 * 2 + row // 3 % 2 for row in rows_of(split)]
    return np.tanh(centres[group] + rng.normal(0, 0.4, (len(group), SIZE))).astype(np.float32)


def entries(split: str) -> list[dict[str, Any]]:
    """What the embeddings' file holds of each image, in another order than the table's."""
    made = [
        {
            "path": f"./data/wikiart/images/{key(row)}",
            "name": key(row).split("/")[1],
            "genre": genre_of(row),
            "genre_id": str(GENRES.index(genre_of(row))),
            "style": STYLES[row % 3],
            "style_id": str(row % 3),
            "feature": feature.tolist(),
        }
        for row, feature in zip(rows_of(split), features(split), strict=True)
    ]
    return made[::-1]


def embeddings_file(run: Path, split: str, epoch: int = 30, name: str = "wikiart") -> Path:
    return run / f"inference_{name}_{split}_embedding_epoch{epoch}.npy"


def write_embeddings(file: Path, some: Sequence[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.array(dict(enumerate(some)), dtype=object), allow_pickle=True)
    return file


def write_weights(file: Path, model: nn.Module, *, old_form: bool = False) -> Path:
    """Weights with the state of an optimiser that has made a step, and of its schedule."""
    heads = list(model.attr_clssifiers.parameters())
    optimizer = torch.optim.Adam(heads, lr=0.01, weight_decay=1e-6)
    sum(values.sum() for values in heads).backward()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    optimizer.step()
    model.load_state_dict(before)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10.0, gamma=0.1)
    states = {"model": model, "optimizer": optimizer, "scheduler": schedule}
    content = {f"{name}_state_dict": part.state_dict() for name, part in states.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file, _use_new_zipfile_serialization=not old_form)
    return file


def student_file(run: Path, strength: float = 1.1, reg: str = "0.0", conditions: int = 1, epoch: int = 49) -> Path:
    suffix = f"_cond{conditions}" if conditions > 1 else ""
    folder = run / f"knowledge_distill_model_lambda{strength}_reg{reg}{suffix}"
    return folder / f"student_model_epoch{epoch:04d}.pth"


def write_student(file: Path, student: nn.Module) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(student.state_dict(), file)
    return file


def write_run(folder: Path, encoder: str = "small_cnn", *, seed: int = 0, **name: Any) -> Path:
    """A whole published run on WikiArt: weights, both splits' embeddings, a student of one condition and one of two."""
    run = folder / run_name(encoder=encoder, **name)
    torch.manual_seed(seed)
    write_weights(run / "model_30.pth", used(PublishedModel(encoder), seed))
    for split in ("train", "test"):
        write_embeddings(embeddings_file(run, split), entries(split))
    write_student(student_file(run), used(PublishedStudent(3), seed))
    write_student(student_file(run, 3.2, conditions=2), used(PublishedStudent(5), seed))
    return run


def stored_network(file: Path, network: nn.Module) -> nn.Module:
    """The published network as the published code would load it."""
    content = torch.load(file, weights_only=True)
    network.load_state_dict(content.get("model_state_dict", content))
    return network.eval()
