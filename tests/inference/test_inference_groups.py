"""Grouped layers on arrays: dense, serial and in stripes, against plain NumPy."""

import itertools

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.inference.layer import program_layer
from xbarsim.mapping import plan_network
from xbarsim.network import Network, make_conv2d, quantize_network, run_integer

IDEAL = {
    "device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": "auto",
    "adc.full_scale": "whole",
}  # fmt: skip
SERIAL = {"mapping.groups": "serial"}
STRIPES = {"mapping.groups": "stripes", "mapping.group_array": {"rows": 20, "cols": 32}}


def grouped(hardware, groups=6, inputs=2, outputs=2):
    """Return a quantised grouped 3 x 3 convolution, its layer and plan, and codes."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(groups * outputs, inputs, 3, 3))
    node = make_conv2d("conv", groups * inputs, groups * outputs, 3, padding=1, groups=groups, weight=weight)
    network = Network(name="one", nodes=(node,), input_shape=(groups * inputs, 5, 5))
    plan = plan_network(network, hardware)
    images = rng.random((3, groups * inputs, 5, 5)).astype(np.float32)
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    codes = rng.integers(0, 256, images.shape)
    return quantized, plan.layers[0], images, codes


def program(hardware, **shape):
    quantized, plan, _, codes = grouped(hardware, **shape)
    machine = program_layer(plan.node, quantized.layers["conv"], plan, seed=1, trial=0)
    return machine.calibrate(codes), codes


def windows_of(codes, channels):
    """Return 3 x 3 windows of some channels, rows in the order (kh, kw, channel): (images, 5, 5, rows)."""
    padded = np.pad(codes[:, channels], ((0, 0), (0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return views.transpose(0, 2, 3, 4, 5, 1).reshape(len(codes), 5, 5, -1)


def read_serially(machine, codes, inputs, outputs, *, alone):
    """Read the programmed cells group by group, or all rows at once, one bit at a time: plain NumPy."""
    results = []
    for index, block in enumerate(machine.blocks):
        engine, cut = block.engine, machine.plan.stripe(index)
        cells = engine.grids.choose(engine.lsb).round_cells(engine.programmed.matrix)
        group_of_row = np.tile(np.repeat(np.arange(cut.groups), inputs), 9)
        x = windows_of(codes, block.inputs)
        for group, output in itertools.product(range(cut.groups), range(outputs)):
            rows = group_of_row == group if alone else np.ones(len(group_of_row), dtype=bool)
            total = np.zeros(x.shape[:3], dtype=np.int64)
            for bit, s in itertools.product(range(8), range(engine.programmed.planes)):
                column = cells[:, s * engine.programmed.padded + group * outputs + output]
                sums = ((x[..., rows] >> bit) & 1) @ column[rows]
                code = np.clip(np.rint(sums / engine.lsb), engine.adc.lowest, engine.adc.highest)
                total += code.astype(np.int64) << (bit + 2 * s)
            results.append(total)
    return np.stack(results, axis=1)


@pytest.mark.parametrize(("keys", "alone"), [({}, False), (SERIAL, True), (STRIPES, False)])
def test_grouped_reads_equal_plain_numpy(keys, alone):
    machine, codes = program(xs.load_hardware("reference").override(keys))
    np.testing.assert_array_equal(machine.accumulate(codes), read_serially(machine, codes, 2, 2, alone=alone))
    assert len({block.engine.lsb for block in machine.blocks}) == 1


def test_serial_cells_are_those_of_dense_cells_without_the_rows_of_other_groups():
    dense, _ = program(xs.load_hardware("reference"))
    serial, _ = program(xs.load_hardware("reference").override(SERIAL))
    assert len(dense.blocks) == len(serial.blocks) == 1
    whole, own = (machine.blocks[0].engine.programmed.matrix for machine in (dense, serial))
    used = own != 0
    np.testing.assert_array_equal(own[used], whole[used])
    kept = used.reshape(9, 12, -1)[:, :, :12].any(axis=0)  # (channel, output) of the lowest slice
    np.testing.assert_array_equal(kept, np.kron(np.eye(6, dtype=bool), np.ones((2, 2), dtype=bool)))


@pytest.mark.parametrize("keys", [SERIAL, STRIPES])
@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("slices", ["adjacent", "separate"])
@pytest.mark.parametrize("rows", ["packed", "whole_kernels"])
def test_ideal_hardware_is_the_identity_wherever_groups_lie(keys, encoding, slices, rows):
    more = {"encoding": encoding, "mapping.slices": slices, "mapping.rows": rows}
    quantized, plan, images, _ = grouped(xs.load_hardware("reference").override({**IDEAL, **more, **keys}))
    machine = program_layer(plan.node, quantized.layers["conv"], plan, seed=0, trial=0)
    layer = quantized.layers["conv"]
    codes = np.clip(np.rint(images / layer.input_scale), 0, 255).astype(np.int64)
    steps = (run_integer(quantized, images) - layer.bias.reshape(1, -1, 1, 1)) / layer.input_scale
    exact = np.rint(steps / layer.weight_scale.reshape(1, -1, 1, 1))
    np.testing.assert_array_equal(machine.accumulate(codes), exact)


def test_serial_reads_without_the_noise_of_the_cells_of_other_groups():
    keys = {"adc.bits": "ideal", "crossbar.method": "ideal", "device.programming.sigma": 0.1}
    errors = []
    for groups in ({}, SERIAL):
        hardware = xs.load_hardware("reference").override({**keys, **groups})
        quantized, _, images, _ = grouped(hardware, groups=14, inputs=1, outputs=1)
        report = xs.simulate(quantized.network, hardware, images, calibration=images, trials=4)
        errors.append(np.mean((report.outputs - run_integer(quantized, images)) ** 2))
    # 13 of 14 rows at rest: their off cells hold a tenth of the largest target each, 126 against 9 of them
    assert errors[1] < 0.9 * errors[0]


def test_unit_columns_of_groups_share_the_converter_of_their_array():
    keys = {**SERIAL, "encoding": "offset", "adc.gain_sigma": 0.1, "adc.offset_sigma_lsb": 0.5}
    machine, _ = program(xs.load_hardware("reference").override(keys))
    engine = machine.blocks[0].engine
    first = engine.programmed.planes * engine.programmed.padded
    gain = engine.errors.gain[0, first : first + 6]
    assert engine.recipe.units.shape[1] == 6
    assert (gain == gain[0]).all()
    assert gain[0] != 1.0


def test_serial_reads_do_not_depend_on_threads_or_batches():
    hardware = xs.load_hardware("reference").override({**SERIAL, "device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.2})
    quantized, _, images, _ = grouped(hardware)
    runs = [
        xs.simulate(quantized.network, hardware, images, calibration=images, batch_size=size, threads=threads).outputs
        for size, threads in ((1, 1), (3, 2), (2, 1))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])
