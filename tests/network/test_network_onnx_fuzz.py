"""Random graphs against ONNX Runtime; benchmarks/coverage/fuzz.py runs many more."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from reference.onnx_graphs import compare_graph, make_graph


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_random_graph_equals_onnx_runtime_and_is_written_and_read_back(data, tmp_path_factory):
    maker = make_graph(lambda choices: data.draw(st.sampled_from(list(choices))))
    path = tmp_path_factory.mktemp("graph") / "m.onnx"
    assert compare_graph(maker, str(path), writes=True) == ""
