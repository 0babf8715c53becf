"""The first line of a script says in words what is about to be done."""

import pytest

from backward_search import cli
from backward_search.cli import parse
from backward_search.storage.atomic import write_json
from backward_search.storage.paths import DataPaths

HEAD = ["--dataset_name", "glyphs"]


def said(kind, *words):
    return parse(kind, None, [*words]).about


@pytest.fixture
def root(tmp_path):
    """A data set of which nothing but its counts is known."""
    data = DataPaths.of(tmp_path, "glyphs")
    write_json(data.report, {"splits": {"train": 7184, "test": 1792}})
    write_json(data.queries(("family",), "test"), {"queries": [{}] * 1000})
    return ["--data_root", str(tmp_path), "--device", "cpu"]


@pytest.mark.parametrize(
    ("kind", "words", "line"),
    [
        (
            cli.TrainOptions,
            [],
            "Train small_cnn on glyphs to tell family, variant and letter: 7,184 images, 24 epochs, on cpu",
        ),
        (cli.EmbedOptions, [], "Embed glyphs, train and test splits: 8,976 images, on cpu"),
        (cli.EmbedOptions, ["--image_folder", "/x"], "Embed the images below /x by the model of glyphs, on cpu"),
        (cli.ContextOptions, [], "Learn a context map of glyphs: 7,184 training images, on cpu"),
        (
            cli.DistillOptions,
            ["--num_condition", "2"],
            "Train a student on glyphs, conditions on family+variant: 7,184 embeddings, 49 epochs, on cpu",
        ),
        (
            cli.EvaluateOptions,
            ["--method", "best"],
            "Evaluate best on glyphs, conditions on family: 1,000 queries, 1,792 test images, on cpu",
        ),
        (
            cli.EvaluateOptions,
            ["--num_condition", "2"],
            "Evaluate teacher on glyphs, conditions on family+variant: 1,792 test images, on cpu",
        ),
        (
            cli.IndexOptions,
            ["--engine", "faiss-flat"],
            "Build the index faiss-flat of glyphs: the test split, 1,792 images",
        ),
        (cli.IndexOptions, ["--engine", "exact"], "Begin the gallery of glyphs: the test split, 1,792 images"),
        (cli.ChangeOptions, ["--remove", "/x"], "Change the gallery of glyphs (test): remove what /x names"),
        (
            cli.VisualizeOptions,
            ["--query_key", "3"],
            "Draw what is found for query 3 of glyphs, conditions on family: the usual methods, on cpu",
        ),
        (
            cli.VisualizeOptions,
            ["--query_image", "/x.png", "--condition", "family=STIX General", "--methods", "best,random"],
            "Draw what is found for /x.png of glyphs, conditions on family=STIX General: best and random, on cpu",
        ),
    ],
)
def test_it_names_what_is_known(root, kind, words, line):
    assert said(kind, *HEAD, *root, *words) == line


@pytest.mark.parametrize(
    ("kind", "words", "line"),
    [
        (cli.QueryOptions, HEAD, "Draw queries for glyphs on family, family+variant and family+variant+letter"),
        (cli.QueryOptions, [*HEAD, "--condition_on", "letter"], "Draw queries for glyphs on letter"),
        (cli.PrepareOptions, [*HEAD, "--check_only"], "Look the raw data of glyphs through; nothing is prepared"),
        (
            cli.CustomOptions,
            ["--dataset_name", "pets", "--source", "/x"],
            "Prepare pets in {root}/pets: images, tables, classes and tags",
        ),
        (
            cli.PhotoOptions,
            ["--source", "/x/photos"],
            "Search your own images or vectors in /x/photos, as the data set photos: "
            "from the tables to the explorer, in seven steps",
        ),
        (cli.PaperTableOptions, ["--tables", "4,1"], "Make the paper's tables 1 and 4 of CUB, APY, wikiart and glyphs"),
        (cli.ImportOptions, ["--source", "/x"], "Import the published runs below /x into weight"),
        (cli.ExploreOptions, ["--device", "cpu"], "Serve a page for exploring the runs in weight, on cpu"),
    ],
)
def test_what_is_not_known_is_left_out(tmp_path, kind, words, line):
    assert said(kind, "--data_root", str(tmp_path), *words) == line.format(root=tmp_path)
