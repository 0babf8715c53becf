"""Query files that somebody has changed."""

import json
from types import SimpleNamespace

import pytest

from backward_search.errors import DataError
from backward_search.runs.queries import read_queries
from backward_search.storage.paths import DataPaths


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "-1", '"x"', "[1]"])
def test_a_lambda_that_is_none_is_refused(value, tmp_path):
    paths = DataPaths.of(tmp_path, "tiny")
    file = paths.queries(("style",), "test", strict=False)
    file.parent.mkdir(parents=True)
    query = {"candidate": "a/b.jpg", "candidate_tags": "x", "condition": {"style": "Rococo"}, "lambda": 1.5}
    content = json.dumps({"dataset": "tiny", "attributes": ["style"], "queries": [query]})
    run = SimpleNamespace(name=SimpleNamespace(dataset_name="tiny"), data=paths, left_out=lambda _: frozenset())
    file.write_text(content)
    assert read_queries(run, ("style",), "test").lambdas == [1.5]
    file.write_text(content.replace("1.5", value))
    with pytest.raises(DataError, match="is not a query file"):
        read_queries(run, ("style",), "test")
