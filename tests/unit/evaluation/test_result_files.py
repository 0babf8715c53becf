"""Which results stand beside one another in a table."""

import pytest
from test_result_tables import ROW

from backward_search.evaluation.result_files import beside, manifest_of, per_query_of
from backward_search.storage.atomic import write_json, write_text
from backward_search.storage.manifest import Stage


@pytest.fixture
def result(tmp_path):
    def finished(name, **inputs):
        place = tmp_path / f"{name}.json"
        write_json(place, {**ROW, "method": name})
        write_text(per_query_of(place), "query\n0\n")
        files = {what: tmp_path / content for what, content in inputs.items()}
        for content in inputs.values():
            write_text(tmp_path / content, content)
        Stage("E1", manifest_of(place), {}, files, [place, per_query_of(place)]).finish()
        return place

    return finished


def test_a_method_that_needs_more_stands_beside_those_that_do_not(result):
    unchanged = result("unchanged", queries="q")
    best = result("best", queries="q", context="map", train="t")
    assert beside(best) == beside(unchanged) == [unchanged, best]


def test_results_of_other_queries_do_not(result):
    result("unchanged", queries="q")
    other = result("teacher", queries="other")
    assert beside(other) == [other]
