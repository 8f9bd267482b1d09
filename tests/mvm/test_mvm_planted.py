"""An encoding planted through the table of encodings works everywhere with that one record."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import encoding as table
from xbarsim.config import load_hardware
from xbarsim.config.encoding import ENCODINGS, EncodedWeights, Encoding
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mvm import decode_weights, encode_weights, program_matrix
from xbarsim.mvm.grid import KINDS

RNG = np.random.default_rng(11)


def encode_mirrored(weights, cells, starts):
    """Hold the distance to the largest weight."""
    digits = cells.cut(cells.half - 1 - weights, cells.slices)[np.newaxis]
    return EncodedWeights(
        digits=digits, slice_weights=-cells.slice_weights, is_flipped=None, unit_weight=cells.half - 1
    )


FIELDS = {
    "name": "mirrored",
    "covers": "the distance to the largest weight; a unit column adds the largest weight back",
    "polarities": 1,
    "arrays": 1,
    "has_unit_column": True,
    "count_slices": lambda weight_bits, cell_bits: -(-weight_bits // cell_bits),
    "lowest_weight": lambda cells: -cells.half,
    "highest_mean": lambda level: level,
    "encode": encode_mirrored,
}


@pytest.fixture
def mirrored(monkeypatch):
    monkeypatch.setitem(ENCODINGS, "mirrored", Encoding(**FIELDS))
    return "mirrored"


@pytest.mark.parametrize("cell_bits", [1, 2, 3])
def test_decoding_undoes_encoding_for_every_encoding(mirrored, cell_bits):
    for name in ENCODINGS:
        for bits in (2, 5, 8):
            half = 1 << (bits - 1)
            weights = RNG.integers(-half + 1, half, (20, 6))
            if name == "signed" and bits > cell_bits:  # one cell holds the whole weight
                with pytest.raises(ShapeError, match="do not fit"):
                    encode_weights(weights, name, weight_bits=bits, cell_bits=cell_bits)
                continue
            encoded = encode_weights(weights, name, weight_bits=bits, cell_bits=cell_bits, row_starts=[0, 7, 20])
            level = (1 << cell_bits) - 1
            assert encoded.digits.max() <= level
            assert encoded.digits.shape[0] == ENCODINGS[name].polarities
            assert bool(encoded.unit_weight) == ENCODINGS[name].has_unit_column
            np.testing.assert_array_equal(decode_weights(encoded, level, [0, 7, 20]), weights)


@pytest.mark.parametrize("method", [*KINDS, "product", "collapsed"])
def test_ideal_hardware_is_the_identity_with_the_planted_encoding(mirrored, method):
    keys = {"encoding": mirrored, "crossbar.rows": 32, "crossbar.method": "ideal", "adc.bits": "auto"}
    hardware = load_hardware("reference", {**keys, "adc.full_scale": "whole", "device.base": "devices/sram_binary"})
    weights, codes = RNG.integers(-128, 128, (70, 9)), RNG.integers(0, 256, (30, 70))
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8)
    np.testing.assert_array_equal(engine.multiply(codes, method=method), codes @ weights)


def test_hardware_takes_the_name_and_costs_are_those_of_its_record(mirrored):
    mine, offset = (load_hardware("reference", {"encoding": name}) for name in (mirrored, "offset"))
    assert mine.highest_sum == offset.highest_sum
    assert not mine.has_signed_sums
    assert xs.estimate("digits", mine).cost.energy_joule == xs.estimate("digits", offset).cost.energy_joule
    with pytest.raises(ShapeError, match="do not fit"):
        encode_weights([[200]], mirrored, weight_bits=8, cell_bits=1)


def test_an_unknown_encoding_is_refused_with_the_names_of_the_table(mirrored):
    with pytest.raises(ConfigError, match=r"encoding: 'mirrord' is not allowed: .*'flip', .* or 'mirrored'"):
        load_hardware("reference", {"encoding": "mirrord"})


@pytest.mark.parametrize("field", FIELDS)
def test_leaving_out_a_field_is_an_error_that_names_it(field):
    assert {each.name for each in dataclasses.fields(Encoding)} == set(FIELDS)
    with pytest.raises(TypeError, match=field):
        Encoding(**{key: value for key, value in FIELDS.items() if key != field})


def test_polarities_that_no_array_has_are_refused():
    with pytest.raises(ValueError, match="encoding mirrored: polarities: 3"):
        Encoding(**{**FIELDS, "polarities": 3})


def test_names_of_encodings_are_compared_with_in_no_file_of_the_package():
    own = Path(table.__file__)
    inputs = [
        own.parent / "coding.py",
        own.parent / "dac.py",
        own.parents[1] / "converter" / "dac.py",
    ]  # codings of signed inputs: another table
    for path in own.parents[1].rglob("*.py"):
        if path in inputs:
            continue
        text = path.read_text().replace('"dac.signed": "twos_complement"', "")
        for name in ("twos_complement", '== "flip"', '== "offset"', '== "differential"', '("offset"'):
            assert path == own or name not in text, f"{path}: {name}"
