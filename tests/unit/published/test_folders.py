"""Finding the published files by their names."""

import pytest

from backward_search.errors import DataError
from backward_search.published.folders import StudentSettings, find_runs, run_settings

RUN = "CIR_Model-datasetwikiart-catestylegenre-basemodelwideresnet50-encodingsize256-enc_updateFalse-num_epoch30-final"


def write(folder, *names: str, content: bytes = b"") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_every_kind_of_file_is_found_wherever_it_lies(tmp_path) -> None:
    write(
        tmp_path,
        f"a/{RUN}/weight/model_30.pth",
        f"a/{RUN}/model_5.pth",
        f"a/{RUN}/src/model.py",
        f"b/c/{RUN}/inference_wikiart_train_embedding_epoch30.npy",
        f"b/c/{RUN}/knowledge_distill_model_lambda1.1_reg0/student_model_epoch0049.pth",
        f"{RUN}/knowledge_distill_model_lambda3_reg1e-05_cond2/student_model_epoch0009.pth",
    )
    (run,), strays = find_runs(tmp_path)
    assert run.name == RUN
    assert run.weights == {30: tmp_path / f"a/{RUN}/weight/model_30.pth", 5: tmp_path / f"a/{RUN}/model_5.pth"}
    assert list(run.embeddings) == [("train", 30)]
    assert set(run.students) == {StudentSettings(1.1, 0.0, 1, 49), StudentSettings(3.0, 1e-05, 2, 9)}
    assert run.settings["enc_update"] is False
    assert run.settings["encoder_model"] == "wideresnet50"
    assert strays == []


def test_a_run_may_be_the_source_itself(tmp_path) -> None:
    write(tmp_path, f"{RUN}/model_30.pth")
    assert [run.name for run in find_runs(tmp_path / RUN)[0]] == [RUN]


def test_files_that_belong_to_no_run_are_strays(tmp_path) -> None:
    names = [
        "model_30.pth",
        f"{RUN}/inference_CUB_test_embedding_epoch30.npy",
        f"{RUN}/knowledge_distill_model/student_model_epoch0049.pth",
    ]
    write(tmp_path, *names, f"{RUN}/model_30.pth", f"{RUN}/model_best.pth")
    assert sorted(find_runs(tmp_path)[1]) == sorted(tmp_path / name for name in names)


def test_the_same_file_twice_is_one_and_two_others_are_refused(tmp_path) -> None:
    write(tmp_path, f"a/{RUN}/model_30.pth", f"b/{RUN}/model_30.pth", content=b"same")
    assert find_runs(tmp_path)[0][0].weights == {30: tmp_path / f"a/{RUN}/model_30.pth"}
    write(tmp_path, f"b/{RUN}/model_30.pth", content=b"other")
    with pytest.raises(DataError, match="remove one of them"):
        find_runs(tmp_path)


@pytest.mark.parametrize("name", ["weight", "CIR_Model-datasetCUB", RUN.replace("256", "big")])
def test_other_names_are_no_runs(name) -> None:
    with pytest.raises(DataError, match="not the name of a published run"):
        run_settings(name)
