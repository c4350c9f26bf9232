"""What every look into a model may choose."""

import pytest

from engine.errors import BadData
from service.api.inside.choices import OutputSchema, output_of, query_parameters, require_size
from service.api.inside.surfaces import SurfaceQuery
from service.errors import ServiceError
from tests.engine.trained import fruit_model


def test_a_label_and_an_index_name_the_same_output() -> None:
    assert output_of(fruit_model(), {"label": "plum"}) == output_of(fruit_model(), {"output": 2}) == 2
    assert output_of(fruit_model(), {}) is None
    with pytest.raises(BadData):
        output_of(fruit_model(), {"output": 3})


def test_a_query_describes_itself() -> None:
    described = {each["name"]: each["schema"] for each in query_parameters(SurfaceQuery())}
    assert described["resolution"] == {"type": "integer", "minimum": 2, "maximum": 200, "default": 60}
    assert described["x_min"] == {"type": "number"}
    assert described["format"]["enum"] == ["json", "svg"]
    assert [each["name"] for each in query_parameters(OutputSchema())] == ["output", "label"]


def test_over_its_bound_an_answer_names_setting_and_remedy() -> None:
    require_size(10, 10, "nodes", "max_graph_nodes", "ask for less")
    with pytest.raises(ServiceError, match=r"11 nodes, at most 10 .*max_graph_nodes") as refused:
        require_size(11, 10, "nodes", "max_graph_nodes", "ask for less")
    assert (refused.value.status, refused.value.hint) == (413, "ask for less")
