"""One layout of columns: what mapping counts, what timing asks and what the engine programs are the same places."""

import ast
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import xbarsim
from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.mvm import program_matrix
from xbarsim.mvm.layout import layout_columns
from xbarsim.network import Network, make_conv2d

HARDWARE = load_hardware("reference")
ROOT = Path(xbarsim.__file__).parent

hardwares = st.fixed_dictionaries(
    {
        "encoding": st.sampled_from(["differential", "offset", "flip", "twos_complement"]),
        "mapping.slices": st.sampled_from(["adjacent", "separate"]),
        "weight_bits": st.integers(2, 8), "device.cell_bits": st.integers(1, 3),
        "crossbar.rows": st.integers(4, 40), "crossbar.cols": st.integers(1, 40),
    }
).map(HARDWARE.override)  # fmt: skip


class CapturedError(Exception):
    """Carries the layout out of the engine before anything is programmed."""


def place_one_by_one(outputs, slices, cols, separate):
    """Return {(slice, output): (column block, column)}, filling arrays one column after the other."""
    places, block, column = {}, 0, 0
    order = [(s, o) for s in range(slices) for o in range(outputs)]
    if not separate:
        order.sort(key=lambda place: place[1])
    for s, o in order:
        if column == cols or (separate and o == 0 and s > 0):
            block, column = block + 1, 0
        places[s, o] = block, column
        column += 1
    return places


def engine_layout(matrix, hardware):
    def capture(encoded, layout, *_, **__):
        assert encoded.digits.shape[1] == layout.slices
        raise CapturedError(layout)

    with mock.patch("xbarsim.mvm.build.recall_arrays", capture), pytest.raises(CapturedError) as caught:
        program_matrix(matrix, hardware, weight_bits=hardware.weight_bits, activation_bits=hardware.activation_bits)
    return caught.value.args[0]


@given(hardware=hardwares, outputs=st.integers(1, 40))
def test_columns_fill_arrays_one_after_the_other(hardware, outputs):
    layout = layout_columns(outputs, hardware)
    separate = hardware.mapping.slices == "separate"
    places = place_one_by_one(outputs, layout.slices, hardware.crossbar.cols, separate)
    assert {
        (s, o): (layout.block_of[s, o], layout.column_of[s, o]) for s in range(layout.slices) for o in range(outputs)
    } == places
    used = Counter(block for block, _ in places.values())
    assert layout.used.tolist() == [used[block] for block in range(layout.blocks)]
    assert layout.most_used == max(used.values() if isinstance(used, dict) else used)
    held = np.zeros((layout.blocks, outputs), int)
    for (_, o), (block, _) in places.items():
        held[block, o] += 1
    assert np.array_equal(layout.held, held)
    first = [layout.block_of[0, o] for o in range(outputs)]  # a straddling weight counts where its first slice lies
    assert layout.starts.tolist() == [*np.searchsorted(first, range(layout.run_blocks)), outputs]


@given(hardware=hardwares, outputs=st.integers(1, 30), data=st.data())
def test_touched_outputs_are_those_with_a_column_in_the_blocks(hardware, outputs, data):
    layout = layout_columns(outputs, hardware)
    low = data.draw(st.integers(0, layout.blocks - 1))
    high = data.draw(st.integers(low + 1, layout.blocks))
    assert layout.count_touched(low, high) == int(layout.held[low:high].any(axis=0).sum())


@given(hardware=hardwares, outputs=st.integers(1, 6), groups=st.integers(1, 9), channels=st.integers(1, 3))
def test_mapping_and_engine_hold_every_stripe_in_the_same_columns(hardware, outputs, groups, channels):
    node = make_conv2d("conv", channels * groups, outputs * groups, 1, groups=groups)
    layer = plan_network(Network(name="one", nodes=(node,), input_shape=(channels * groups, 3, 3)), hardware).layers[0]
    for index in (0, layer.stripes - 1):
        stripe = layer.stripe(index)
        programmed = engine_layout(np.zeros((stripe.rows, stripe.cols), np.int64), layer.hardware)
        assert stripe.columns == programmed
        assert stripe.col_blocks == programmed.block_of.max() + 1
        assert np.array_equal(layer.block_columns(index), np.bincount(programmed.block_of.ravel()))
        assert layer.columns_per_weight == len(programmed.block_of)


@given(hardware=hardwares, outputs=st.integers(1, 6))
def test_as_many_matrices_share_an_array_as_fit_beside_each_other(hardware, outputs):
    one = layout_columns(outputs, hardware)
    assume(one.fitting > 0)
    assert layout_columns(outputs * one.fitting, hardware).run_blocks == 1
    assert layout_columns(outputs * (one.fitting + 1), hardware).run_blocks == 2


def test_no_other_module_knows_the_rule():
    """Whether slices lie apart, and how many columns a weight takes, is asked in ``mvm/layout.py`` alone."""
    knowing = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = isinstance(node, ast.Attribute) and node.attr == "slices" and "mapping" in ast.unparse(node.value)
            counts = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("columns_per_weight")
            if reads or counts:
                knowing.add(path.relative_to(ROOT).as_posix())
    assert knowing <= {"mvm/layout.py", "mvm/encoding.py"}
