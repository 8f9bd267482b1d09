"""An operator kind is one record: planted in a copy of the package, it works everywhere; without a field, nowhere."""

import ast
import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xbarsim
from xbarsim.network.kinds import Kind

PACKAGE = Path(xbarsim.__file__).parent

RECORD = """
Kind(
    name="softplus",
    inputs=ONE,
    shape=same_shape,
    sign=never_negative,
    run=elementwise(lambda x: np.logaddexp(x, np.float32(0))),
    torch=torch_elementwise("nn.functional.softplus"),
    codes=Codes.LOSES,
    moments=rectified_moments,
    layer=NO_LAYER,
    timing=TimingClass.VALUES,
    work=one_activation,
    reach=always(Reach.OWN),
    settings={},
    attributes=as_given,
    onnx_read={"Softplus": read_simple("softplus")},
    onnx_write=write_simple("Softplus"),
)
"""

USE = """
import numpy as np, onnx, pathlib
import xbarsim as xs
from onnx import TensorProto, helper
from xbarsim.network import quantize_network, run_integer, run_network, input_is_signed
from xbarsim.network.write_onnx import write_onnx

assert pathlib.Path(xs.__file__).parent == pathlib.Path("xbarsim").resolve()
text = '''
input_shape: [12]
layers:
  - {name: a, kind: linear, features: 24}
  - {name: op, kind: KIND}
  - {name: b, kind: linear, features: 4}
'''


def load(kind):
    path = pathlib.Path(f"{kind}.yaml")
    path.write_text(text.replace("KIND", kind))
    return xs.load_network(path, "random")


network, relu = load("softplus"), load("relu")
x = np.random.default_rng(0).normal(size=(20, 12)).astype(np.float32)
y = run_network(network, x)
hidden = x @ network.node("a").weight.T + network.node("a").bias
expected = np.log1p(np.exp(hidden)) @ network.node("b").weight.T + network.node("b").bias
np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)

assert not input_is_signed(network, "b")
quantized = quantize_network(network, x, weight_bits=8, activation_bits=8)
assert np.abs(run_integer(quantized, x) - y).max() < 0.05 * np.abs(y).max()

write_onnx(network, "net.onnx")
assert [node.op_type for node in onnx.load("net.onnx").graph.node] == ["Gemm", "Softplus", "Gemm"]
again = xs.load_network("net.onnx")
assert [node.kind for node in again.nodes] == ["linear", "softplus", "linear"]
np.testing.assert_array_equal(run_network(again, x), y)

costs = [xs.estimate(each, "isaac") for each in (network, relu)]
assert costs[0].activity.totals["activation"] == 24
assert costs[0].energy_joule == costs[1].energy_joule
try:
    import torch
except ImportError:
    pass
else:
    from xbarsim.train.torch_network import TorchNetwork

    with torch.no_grad():
        np.testing.assert_allclose(TorchNetwork(network)(torch.tensor(x)).numpy(), y, rtol=1e-4, atol=1e-5)
print("works")
"""


def source_with(record):
    """Return the source of the module of activations with one more record."""
    source = (PACKAGE / "network" / "kinds" / "activations.py").read_text()
    return source.replace("RECORDS = (", f"RECORDS = ({record.strip()},", 1)


def without(field):
    """Return the planted record without a field."""
    call = ast.parse(RECORD.strip(), mode="eval").body
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != field]
    return ast.unparse(call)


def run_module(source):
    scope = {"__name__": "xbarsim.network.kinds.planted"}
    exec(compile(source, "activations.py", "exec"), scope)
    return scope["RECORDS"]


def test_one_record_is_enough_from_files_to_prices(tmp_path):
    pytest.importorskip("onnx")
    for name in ("xbarsim", "hwconfigs"):
        if (PACKAGE.parent / name).is_dir():  # hardware files lie inside an installed package
            shutil.copytree(PACKAGE.parent / name, tmp_path / name)
    (tmp_path / "xbarsim" / "network" / "kinds" / "activations.py").write_text(source_with(RECORD))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.strip() == "works"


def test_the_whole_record_can_be_imported():
    assert "softplus" in [record.name for record in run_module(source_with(RECORD))]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Kind)])
def test_a_record_without_a_field_fails_at_import_and_names_it(field):
    with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{field}'"):
        run_module(source_with(without(field)))


def test_a_kind_without_a_timing_class_cannot_exist():
    for timing in ("None", "'activation'"):
        with pytest.raises(TypeError, match="kind 'softplus': timing"):
            run_module(source_with(RECORD.replace("TimingClass.VALUES", timing)))
