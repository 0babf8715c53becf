"""A result's file: results of other settings lie in other files, and none is longer than a disk can hold."""

import os
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from nasty import texts

from backward_search.evaluation.result_files import hits_of, manifest_of, per_query_of
from backward_search.evaluation.settings import Evaluation
from backward_search.gallery.engines.index import EngineSettings
from backward_search.gallery.engines.registry import ENGINES
from backward_search.methods.config import Aim, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.runs.students import StudentChoice
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold
from backward_search.storage.paths import RunPaths
from backward_search.student.network import StudentConfig

PATHS = RunPaths(Path("/weights/run"))
SHARES = st.integers(1, 100).map(lambda percent: percent / 100)
STRENGTHS = st.floats(0, 9)
SOLVERS = st.builds(
    Adam, STRENGTHS, st.sampled_from((0.2, 0.05)), max_itr=st.sampled_from((100, 7)), early_stopping=st.booleans()
) | st.builds(Manifold, st.floats(0.01, 0.99))
STUDENTS = st.builds(
    StudentChoice,
    st.builds(StudentConfig, st.sampled_from((128, 64)), st.integers(1, 3), st.just("tanh"), st.none()),
    st.sampled_from((0.0, 0.5)),
    st.sampled_from((49, 2)),
    st.sampled_from(("mse", "cosine")),
)
SEARCHES = st.builds(
    EngineSettings, st.sampled_from(("exact", "faiss-hnsw", "faiss-ivfpq")), *[st.sampled_from((1, 11, 200))] * 3
)


@st.composite
def evaluations(draw):
    """One of any settings that the options admit."""
    method = draw(st.sampled_from(tuple(METHODS)))
    knobs = {knob: draw(STRENGTHS) for knob in METHODS.find(method).knobs if draw(st.booleans())}
    config = AnswerConfig(
        draw(SOLVERS),
        {knob.option: value for knob, value in knobs.items()},
        Aim(draw(st.sampled_from(("precision", "context"))), draw(SHARES)),
        draw(st.sampled_from((0.0, 0.1, 1.0))),
        draw(st.integers(0, 3)) if method == "random" else 0,
        student=draw(STUDENTS) if method == "student" else None,
    )
    return Evaluation(
        method,
        draw(st.sampled_from((("style",), ("genre", "style"), ("style", "genre")))),
        config,
        draw(SEARCHES),
        {knob.mark: f"{value}" for knob, value in knobs.items() if value != knob.default},
        draw(st.sampled_from((1, 10, 100))),
        draw(st.sampled_from(("test", "train"))),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.just("") | texts() | st.sampled_from(("style=a", "style!=a", "style=a;", "style=語" * 40, "strict"))),
    )


def depends(one: Evaluation) -> tuple:
    """Everything that the result depends on; its record holds options that its engine does not look at as well."""
    student, record = one.config.student if one.method == "student" else None, one.record({})
    if not one.exact:
        unused = {"nprobe", "ef_search"} - ENGINES.find(one.engine.engine).searched_with.keys()
        record |= dict.fromkeys(unused, 0)
    return one.conditioned, record, one.facts(each_its_own=False), student and vars(student)


@given(evaluations(), evaluations())
def test_results_of_other_settings_lie_in_other_files(one, other):
    changes = [
        {name: getattr(other, name)}
        for name in ("conditioned", "engine", "k", "split", "omit_tagless", "strict", "condition")
    ]
    changes += [
        {"config": replace(one.config, **{name: getattr(other.config, name)})} for name in ("solver", "aim", "rerank")
    ]
    if other.method == one.method:
        changes += [{"config": replace(one.config, knobs=other.config.knobs), "given": other.given}]
        changes += [{"config": replace(one.config, student=other.config.student, seed=other.config.seed)}]
    for changed in (other, *(replace(one, **change) for change in changes)):
        assert (changed.place(PATHS) == one.place(PATHS)) == (depends(changed) == depends(one))


@given(evaluations())
def test_every_file_of_a_result_lies_beside_it_under_a_name_that_disks_hold(one):
    place = one.place(PATHS)
    files = [place, manifest_of(place), per_query_of(place), hits_of(place)]
    assert len(set(files)) == 4
    if one.how.searches and isinstance(one.config.solver, Adam):
        files += [one.sweep_place(PATHS), one.sweep_place(PATHS).with_suffix(".png")]
    for file in files:
        assert file.parent == PATHS.folder / "results" / "-".join(one.conditioned)
        assert len(os.fsencode(file.name)) <= 255
        assert file.name.isprintable()


@given(evaluations(), st.lists(STRENGTHS, min_size=1, max_size=3))
def test_a_sweep_has_one_file_and_each_of_its_lambdas_another(one, lambdas):
    one = replace(one, method="teacher", given={}, config=replace(one.config, solver=Adam(0.5), knobs={}))
    each = [one.at(lambda_) for lambda_ in lambdas]
    assert len({at.sweep_place(PATHS) for at in each}) == 1
    assert len({at.place(PATHS) for at in each}) == len(set(lambdas))
    assert not {at.place(PATHS) for at in each} & {one.sweep_place(PATHS)}
