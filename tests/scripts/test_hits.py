"""What E1 and E2 write for a hit: whether it meets the condition, and what it shares with the query."""

import csv
import json
import logging

import numpy as np
import pytest
from scripts_by_name import script
from tiny_set import tiny_set, words

CONDITION = "light"
SHADES = ("red", "green", "blue")


def lay_run(folder, *more):
    """Train and embed, and draw the queries of one condition."""
    script("A2")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), "--num_queries", "20"])
    script("B1")(words(folder, "weight", "--num_epoch", "1", *more))
    script("C1")(words(folder, "weight", "--num_epoch", "1", *more))
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Without tags and groups."""
    return lay_run(tiny_set(tmp_path_factory.mktemp("plain")))


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """The same images, each with its lightness, its shade and one of some words as tags; two show the same thing."""
    folder = tmp_path_factory.mktemp("tagged")
    with np.load(tiny_set(tmp_path_factory.mktemp("bare")) / "tiny.npz") as arrays:
        columns = dict(arrays)
    light = np.array(["dim light", "full_light"])[columns["light"]]
    shades = [SHADES[number] for number in columns["shade"]]
    named = [
        f"{text.replace('_', ' ').title()},{shade},word{number % 4}" if number % 7 else ""
        for number, (text, shade) in enumerate(zip(light, shades, strict=True))
    ]
    columns |= {"light": light, "tags": np.array(named), "thing": np.array([f"t{n // 2}" for n in range(len(light))])}
    np.savez(folder / "tiny.npz", **columns)
    given = ["--label_columns", "light,shade", "--group_column", "thing", "--image_size", "16", "--augment", "True"]
    source = ["--source", str(folder / "tiny.npz"), *given]
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), *source])
    return lay_run(folder)


def rows_of(place):
    with place.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table_of(folder):
    """By image its labels, tags and group."""
    place = folder / "data" / "tiny" / "attributions"
    classes = json.loads((place / "classes.json").read_text())
    known = {}
    with (place / "tags.csv").open(encoding="utf-8", newline="") as file:
        of = {row["key"]: row for row in csv.DictReader(file)}
    with (place / "preprocessed_tiny_test.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = "/".join(row["path"].split("/")[-2:])
            labels = {name: names[int(row[name])] for name, names in classes.items()}
            known[key] = {**of[key], "labels": labels}
            known[key]["tags"] = set(filter(None, of[key].get("tags", "").split(",")))
    return known


def wanted_of(folder):
    file = folder / "data" / "tiny" / "attributions" / f"query_{CONDITION}_tiny_test_random.json"
    return [query["condition"][CONDITION] for query in json.loads(file.read_text())["queries"]]


def evaluated(folder, caplog, method="random"):
    caplog.set_level(logging.INFO)
    task = words(folder, "weight", "--num_epoch", "1", "--method", method, "--num_condition", "1")
    place = script("E1")([*task, "--save_result", "True", "--overwrite", "True"])
    return rows_of(place), json.loads(place.read_text())


def test_tags_are_shared_and_the_conditions_names_are_not_among_them(tagged, caplog):
    rows, result = evaluated(tagged, caplog)
    known, wanted, own = table_of(tagged), wanted_of(tagged), []
    assert list(rows[0]) == ["query", "candidate", "rank", "hit", "meets", "shared", "twin"]
    for row in rows:
        query, hit = known[row["candidate"]], known[row["hit"]]
        assert row["meets"] == str(hit["labels"]["light"] == wanted[int(row["query"])])
        own.append({tag for tag in query["tags"] if not tag.endswith(" Light")})
        assert row["shared"] == ";".join(sorted(own[-1] & hit["tags"]))
        assert row["twin"] == str(query["group"] == hit["group"])
    assert {row["twin"] for row in rows} == {row["meets"] for row in rows} == {"True", "False"}
    counts = [len(row["shared"].split(";")) for row in rows if row["shared"]]
    assert max(counts) == 2
    assert result["query_tags"] == pytest.approx(np.mean([len(tags) for tags in own]))
    assert result["shared_tags_at_10"] == pytest.approx(sum(counts) / len(rows))
    met = result["precision_at_10"]
    assert met == pytest.approx(np.mean([row["meets"] == "True" for row in rows]))
    shares = f"a hit shares {result['shared_tags_at_10']:.1f} of the {result['query_tags']:.1f} tags of its query"
    assert f"random: of 10 hits {10 * met:.1f} meet the condition; {shares}, on average" in caplog.text


def test_without_tags_the_other_attributes_speak(plain, caplog):
    rows, result = evaluated(plain, caplog)
    known, wanted = table_of(plain), wanted_of(plain)
    assert list(rows[0]) == ["query", "candidate", "rank", "hit", "meets", "shared"]
    for row in rows:
        query, hit = (known[row[name]]["labels"] for name in ("candidate", "hit"))
        assert row["meets"] == str(hit["light"] == wanted[int(row["query"])])
        assert row["shared"] == (f"shade={hit['shade']}" if query["shade"] == hit["shade"] else "")
    assert {bool(row["shared"]) for row in rows} == {True, False}
    assert result["query_labels"] == 1
    assert result["shared_labels_at_10"] == pytest.approx(np.mean([bool(row["shared"]) for row in rows]))


@pytest.mark.parametrize("name", ["tagged", "plain"])
def test_e2_writes_the_same_of_a_hit(name, request, caplog, tmp_path):
    folder = request.getfixturevalue(name)
    names = ("meets", "shared", "twin")
    task = words(folder, "weight", "--num_epoch", "1", "--methods", "unchanged", "--num_condition", "1")
    place = script("E2")([*task, "--query_key", "3", "--output", str(tmp_path / "figure.png")])
    drawn = {row["hit"]: [row.get(name) for name in names] for row in rows_of(place)}
    rows, _ = evaluated(folder, caplog, "unchanged")
    assert drawn == {row["hit"]: [row.get(name) for name in names] for row in rows if row["query"] == "3"}
    twin = ["twin"] if name == "tagged" else []
    assert list(rows_of(place)[0])[8:] == ["tag_overlap", "meets", "shared", *twin, "light"]


def test_an_image_that_is_named_shares_what_it_would_as_a_query(tagged, tmp_path):
    known = table_of(tagged)
    key = next(key for key, one in known.items() if one["tags"])
    task = words(tagged, "weight", "--num_epoch", "1", "--methods", "unchanged")
    asked = ["--query", key, "--condition", f"light={known[key]['labels']['light']}"]
    first = rows_of(script("E2")([*task, *asked, "--output", str(tmp_path / "figure.png")]))[0]
    assert first["hit"] == key
    assert first["shared"] == ";".join(sorted(tag for tag in known[key]["tags"] if not tag.endswith(" Light")))
    assert (first["meets"], first["twin"]) == ("True", "True")
