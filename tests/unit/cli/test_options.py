"""Command lines become complete, typed options, or one line and exit code 2."""

from dataclasses import replace

import pytest

from backward_search.cli import CustomOptions, EvaluateOptions, TrainOptions, VisualizeOptions, parse
from backward_search.cli.definition import check
from backward_search.cli.translation import answer_config, solver
from backward_search.data.opening import Opening
from backward_search.errors import OptionError
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold


def test_what_is_not_named_comes_from_the_data_set():
    options = parse(TrainOptions, "", ["--dataset_name", "glyphs"])
    assert (options.encoder_model, options.num_epoch, options.batch_size) == ("small_cnn", 24, 64)
    assert options.attributes == ("family", "variant", "letter")


@pytest.mark.parametrize(("words", "meant"), [([], True), (["True"], True), (["False"], False), (["no"], False)])
def test_booleans_mean_what_they_say(words, meant):
    assert parse(TrainOptions, "", ["--dataset_name", "glyphs", "--enc_update", *words]).enc_update is meant


def test_the_older_names_of_the_methods():
    def method(*words):
        return parse(EvaluateOptions, "", ["--dataset_name", "glyphs", *words]).chosen_method

    assert method() == "teacher"
    assert method("--evaluation_distill", "True") == "student"
    assert method("--evaluation_distill", "False") == "teacher"
    assert method("--search_random", "True", "--method", "random") == "random"
    with pytest.raises(OptionError, match="disagree"):
        method("--search_random", "True", "--evaluation_distill", "True")


@pytest.mark.parametrize(
    "words",
    [
        ["--num_condition", "4"],
        ["--num_condition", "0"],
        ["--condition_on", "style"],
        ["--inverse_lambda", "-1"],
        ["--category_type", "birds"],
        ["--method", "predicted_filter", "--engine", "faiss-flat"],
        ["--method", "label_filter", "--rerank", "0.1"],
        ["--method", "best", "--sweep", "0.5"],
        ["--aim", "recall=0.5"],
    ],
)
def test_the_impossible_is_refused(words):
    with pytest.raises(OptionError):
        parse(EvaluateOptions, "", ["--dataset_name", "glyphs", *words])


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(OptionError, match="did you mean glyphs"):
        parse(TrainOptions, "", ["--dataset_name", "glyph"])


def test_a_malformed_command_line_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(TrainOptions, "", ["--dataset_name", "glyphs", "--num_epoch", "many"])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_strength_speaks_of_the_methods_that_have_one():
    options = parse(VisualizeOptions, "", ["--dataset_name", "glyphs", "--strength", "0.7", "--shift", "0.4"])
    knobs = {name: answer_config(options, name).knobs for name in ("best", "concept_null", "teacher", "class_shift")}
    assert knobs == {
        "best": {"strength": 0.7, "shift": 0.4},
        "concept_null": {"strength": 0.7},
        "teacher": {},
        "class_shift": {"shift": 0.4},
    }


def test_options_become_the_solver_they_name():
    words = ["--dataset_name", "glyphs", "--inverse_lr", "0.1", "--inverse_earlystopping", "False"]
    assert solver(parse(EvaluateOptions, "", words)) == Adam(0.5, 0.1, early_stopping=False)
    manifold = [*words, "--inverse_solver", "manifold", "--target_probability", "0.7"]
    assert solver(parse(EvaluateOptions, "", manifold)) == Manifold(0.7)


@pytest.mark.parametrize("fixed", [{"bogus": 1}, {"num_epoch": "24"}, {"inverse_lambda": "much"}, {"engine": None}])
def test_what_a_program_passes_is_checked_as_what_is_typed(fixed):
    with pytest.raises(OptionError, match=next(iter(fixed))):
        parse(VisualizeOptions, None, [], dataset_name="glyphs", **fixed)
    assert parse(VisualizeOptions, None, [], dataset_name="glyphs", inverse_lambda=2).inverse_lambda == 2


@pytest.mark.parametrize(
    ("kind", "words", "hint"),
    [
        (VisualizeOptions, ["--method", "best"], "did you mean --methods?"),
        (EvaluateOptions, ["--inverse_lamda", "1"], "did you mean --inverse_lambda?"),
        (TrainOptions, ["--inverse_lambda", "1"], "--inverse_lambda is an option of D1"),
        (EvaluateOptions, ["--lambda", "1"], "did you mean --inverse_lambda?"),
        (EvaluateOptions, ["--skip_unreadible", "1"], "did you mean --skip_unreadable of B1?"),
        (TrainOptions, ["--xyzzy", "1"], "unrecognized arguments: --xyzzy 1 (see --help)"),
    ],
)
def test_an_unknown_option_is_hinted_at(kind, words, hint, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(kind, "", ["--dataset_name", "glyphs", *words])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert hint in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["--background", "#FFF"], ["--background", "White"]])
def test_every_name_of_a_colour_is_one_background(words):
    options = parse(CustomOptions, None, ["--dataset_name", "mine", "--source", "x", *words])
    assert options.opening == Opening("#ffffff")
    assert options.opening.unusual == {}


@pytest.mark.parametrize("colour", ["whyte", "#ffffff80", ""])
def test_what_is_no_colour_is_no_background(colour):
    with pytest.raises(OptionError, match=f"--background {colour} is no colour that covers: pass one such as white"):
        parse(CustomOptions, None, ["--dataset_name", "mine", "--source", "x", "--background", colour])


def test_a_knob_of_another_package_has_to_be_a_finite_number():
    options = parse(EvaluateOptions, None, ["--dataset_name", "glyphs"])
    with pytest.raises(OptionError, match="--fraction nan is not a finite number"):
        check(replace(options, further={"fraction": float("nan")}))
