"""What is damaged, stale or cannot be meant is one line that names it, at every stage."""

import json

import pytest
from demo_run import words
from scripts_by_name import script

from backward_search.cli import DistillOptions, EmbedOptions, next_command, parse
from backward_search.errors import StaleError, UserError

DAMAGE = {
    "queries": ("data/glyphs/attributions/query_family_glyphs_test_random.json", '{"queries": 5}'),
    "query list": ("data/glyphs/attributions/query_family_glyphs_test_random.json", "[]"),
    "manifest": ("weight/*/manifest-C1-test.json", "[]"),
    "configuration": ("weight/*/config.json", "{}"),
    "embeddings": ("weight/*/embeddings/test.npy", ""),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_named(copied, what):
    pattern, content = DAMAGE[what]
    (file,) = copied[0].glob(pattern)
    file.write_text(content)
    with pytest.raises(UserError, match=file.name):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


@pytest.mark.parametrize("condition", [{"family": 7}, {"family": None}, "DejaVu Sans"])
def test_a_query_whose_condition_is_no_text_is_named(copied, condition):
    file = copied[0] / "data" / "glyphs" / "attributions" / "query_family_glyphs_test_random.json"
    content = json.loads(file.read_text())
    content["queries"][3]["condition"] = condition
    file.write_text(json.dumps(content))
    file.with_name(f"manifest-{file.stem}.json").unlink()
    with pytest.raises(UserError, match=file.name):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


@pytest.mark.parametrize("cut", [0, 60, 5000])
def test_damaged_logits_are_named(copied, cut):
    (file,) = (copied[0] / "weight").glob("*/embeddings/test-logits-family.npy")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"test-logits-family\.npy is not as C1 left it"):
        script("E1")(words(copied, "--method", "predicted_filter"))


@pytest.mark.parametrize("content", ["{}", "[]", '{"family": 3}'])
def test_a_damaged_class_list_is_named(copied, content):
    (copied[0] / "data" / "glyphs" / "attributions" / "classes.json").write_text(content)
    with pytest.raises(UserError, match=r"classes\.json"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_a_finished_stage_notices_that_its_output_was_changed(copied):
    (weights,) = copied[0].glob("weight/*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(StaleError, match=r"model\.safetensors"):
        script("B1")(words(copied, "--batch_size", "256"))


def test_a_refused_overwrite_leaves_what_was_finished(copied):
    (manifest,) = copied[0].glob("weight/*/manifest-C1-test.json")
    with pytest.raises(UserError, match="--device"):
        script("C1")(words(copied, "--device", "nonsense", "--overwrite", "True"))
    assert manifest.exists()


def test_a_missing_image_is_named_and_a1_makes_it_again(copied):
    image = copied[0] / "data" / "glyphs" / "images" / "DejaVuSans" / "U+0041.png"
    pixels = image.read_bytes()
    image.unlink()
    with pytest.raises(UserError) as failure:
        script("C1")(words(copied, "--overwrite", "True", "--n_workers", "2"))
    assert str(failure.value).startswith(f"image {image} does not exist")
    script("A1.Data-Preprocessing-glyphs")(copied[1])
    assert image.read_bytes() == pixels


def test_the_hint_names_what_is_not_a_default():
    options = parse(EmbedOptions, "", ["--dataset_name", "glyphs", "--num_epoch", "2", "--batch_size", "9"])
    hint = next_command(options, "D1.Train-KD-Model.py", DistillOptions)
    assert hint == "python D1.Train-KD-Model.py --dataset_name glyphs --num_epoch 2"


def test_a_run_on_other_classes_is_refused(copied):
    file = copied[0] / "data" / "glyphs" / "attributions" / "classes.json"
    classes = json.loads(file.read_text())
    file.write_text(json.dumps(classes | {"family": classes["family"][::-1]}))
    with pytest.raises(StaleError, match="classes"):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


def test_a_student_of_another_teacher_is_refused(copied):
    task = words(copied, "--student_num_epoch", "2")
    script("D1")([*task, "--inverse_max_itr", "3", "--overwrite", "True"])
    with pytest.raises(StaleError, match="max_itr"):
        script("E1")([*task, "--method", "student"])


def test_saving_the_hits_later_is_no_other_result(copied):
    task = words(copied, "--method", "unchanged")
    place = script("E1")(task)
    assert not place.with_suffix(".csv").exists()
    script("E1")([*task, "--save_result", "True"])
    assert len(place.with_suffix(".csv").read_text().splitlines()) == 10_001


def test_tables_without_their_manifest_are_not_finished(copied):
    (copied[0] / "data" / "glyphs" / "attributions" / "manifest-A1.json").unlink()
    with pytest.raises(UserError, match="no finished preprocessing"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_a2_without_a_name_serves_what_is_prepared(copied, tmp_path_factory):
    attributions = copied[0] / "data" / "glyphs" / "attributions"
    before = (attributions / "query_family_glyphs_test_random.json").read_bytes()
    for file in attributions.glob("*query*"):
        file.unlink()
    assert script("A2")(copied[1]) == attributions
    assert (attributions / "query_family_glyphs_test_random.json").read_bytes() == before
    with pytest.raises(UserError, match="no data set is prepared"):
        script("A2")(["--data_root", str(tmp_path_factory.mktemp("empty"))])


@pytest.mark.parametrize(
    "wrong",
    [["--weight_decay", "-1"], ["--image_size", "2"], ["--seed", str(2**70)], ["--lr", "nan"]],
)
def test_values_that_cannot_work_are_refused(copied, wrong):
    with pytest.raises(UserError):
        script("B1")(words(copied, "--overwrite", "True", *wrong))


@pytest.mark.parametrize("content", ["", "path,family,variant,letter\nx.png,0,0\n", "path,family\n1,2,3,4,5\n6\n"])
def test_a_damaged_table_is_named(copied, content):
    (copied[0] / "data" / "glyphs" / "attributions" / "preprocessed_glyphs_test.csv").write_text(content)
    with pytest.raises(UserError, match="preprocessed_glyphs_test"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_a_calibration_is_that_of_these_weights_or_none(copied):
    (calibration,) = (copied[0] / "weight").glob("*/embeddings/calibration.json")
    before = calibration.read_bytes()
    assert set(json.loads(before)["family"]) == {"temperature", "images", "error", "calibrated_error"}
    calibration.unlink()
    script("C1")(words(copied, "--split", "train"))
    assert calibration.read_bytes() == before  # whether the test split is there or not
    calibration.with_name("train.csv").write_text("key\n")
    script("C1")(words(copied, "--split", "test"))
    assert not calibration.exists()
