"""Measured values of every level: drawn as they are, and files that cannot be meant are refused."""

import numpy as np
import pytest
from scipy.stats import chisquare

from xbarsim.config import Device, hash_hardware, load_hardware
from xbarsim.device import load_levels, program_cells
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix

VALUES = {0: [1e-6, 1.1e-6, 1.5e-6], 1: [4e-6], 2: [7e-6, 6e-6, 6.5e-6, 7e-6], 3: [1e-5, 1.02e-5]}
ROWS = [(level, value) for level, values in VALUES.items() for value in values]


def write(path, rows=ROWS, header="level,conductance_siemens"):
    """Write a file of measured levels."""
    path.write_text("\n".join([header, *(",".join(str(each) for each in row) for row in rows)]) + "\n")
    return str(path)


def device(path, **keys):
    return Device(g_on_siemens=1e-5, g_off_siemens=1e-6, cell_bits=2, levels_file=path, **keys)


def test_cells_take_the_measured_values_of_their_level_each_as_likely(tmp_path):
    # chi-squared over the values of each of three levels, 20,000 cells a level: three tests at 1e-4, false alarm 3e-4
    cell = device(write(tmp_path / "levels.csv"))
    for level, values in VALUES.items():
        g = program_cells(np.full((100, 200), level), cell, seed=5)
        found, counts = np.unique(g, return_counts=True)
        known, expected = np.unique(values, return_counts=True)
        np.testing.assert_array_equal(found, known)
        if len(known) > 1:
            assert chisquare(counts, expected * g.size / len(values)).pvalue > 1e-4


def test_other_columns_blank_rows_and_the_order_of_rows_do_not_matter(tmp_path):
    rows = [("chip 1", value, level) for level, value in ROWS]
    write(tmp_path / "b.csv", [rows[0], (), *rows[1:]], "chip, conductance_siemens ,level")
    a, b = (load_levels(device(path)) for path in (write(tmp_path / "a.csv"), str(tmp_path / "b.csv")))
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.starts, b.starts)


def test_the_same_bits_for_any_threads_and_a_new_file_is_read(tmp_path):
    path = write(tmp_path / "levels.csv")
    change = {"device.programming.distribution": "none", "device.levels_file": path}
    weights = np.random.default_rng(0).integers(-127, 128, (40, 6))
    codes = np.random.default_rng(1).integers(0, 256, (9, 40)).astype(np.uint8)

    def run(threads=1):
        hardware = load_hardware("reference", change)
        engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, threads=threads)
        return hash_hardware(hardware), engine.multiply(codes, threads=threads)

    first, again = run(), run(2)
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    write(tmp_path / "levels.csv", [(level, 0.9 * value) for level, value in ROWS])
    other = run()
    assert other[0] != first[0]
    assert np.any(other[1] != first[1])


def test_paths_are_relative_to_the_hardware_file(tmp_path):
    write(tmp_path / "levels.csv")
    (tmp_path / "mine.yaml").write_text(
        "base: reference\ndevice: {programming: {distribution: none}, levels_file: levels.csv}\n"
    )
    assert load_levels(load_hardware(tmp_path / "mine.yaml").device).starts.tolist() == [0, 3, 4, 8, 10]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (ROWS, "level,g", r"row 1: columns are level, g; needed: level and conductance_siemens$"),
        ([*ROWS, (1, "nan")], None, r"row 12: conductance nan is not a finite number of siemens, zero or more"),
        ([*ROWS, (1, -1e-6)], None, r"row 12: conductance -1e-06 is not"),
        ([(4, 1e-6), *ROWS], None, r"row 2: level 4 is not a whole number from 0 to 3: .*device\.cell_bits"),
        ([(0.5, 1e-6), *ROWS], None, r"row 2: level 0\.5 is not"),
        ([("a", 1e-6), *ROWS], None, r"row 2: 'a,1e-06' are not two numbers"),
        ([(0,), *ROWS], None, r"row 2: '0,' are not two numbers"),
        (ROWS[:-2], None, r"no row for level 3; cells of 4 levels need"),
        ([(a, 1e6 * b) for a, b in ROWS], None, r"median of level 3, 10\.1 S, lies \+6\.0 decades from device\.g_on"),
        ([(a, 1e-3 * b) for a, b in ROWS], None, r"lies -3\.0 decades .*convert the column, or set g_on_siemens"),
        ([(3 - a, b) for a, b in ROWS], None, r"is not above that of level 0.*renumber"),
        (
            [({1: 2, 2: 1}.get(a, a), b) for a, b in ROWS],
            None,
            r"median of level 2, .* not above that of level 1,.*ren",
        ),
    ],
)
def test_files_that_cannot_be_meant_are_refused_by_row_and_rule(tmp_path, rows, header, message):
    path = write(tmp_path / "levels.csv", rows, header or "level,conductance_siemens")
    with pytest.raises(ConfigError, match=message) as caught:
        load_levels(device(path))
    assert str(caught.value).startswith(f"device.levels_file: {path}: ")
    assert len(str(caught.value).replace(path, "")) <= 300


def test_a_missing_file_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"^device\.levels_file: .*none\.csv: No such file"):
        load_levels(device(str(tmp_path / "none.csv")))


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({}, r"device\.programming\.distribution: normal; .*set the distribution to none"),
        ({"device.programming.distribution": "none", "device.measured": "a.npy"}, r"device\.measured"),
    ],
)
def test_keys_that_exclude_one_another_are_refused(change, other):
    with pytest.raises(ConfigError, match=rf"device\.levels_file: contradicts {other}"):
        load_hardware("reference", {"device.levels_file": "a.csv", **change})
