"""Hardware YAML: strictness, inheritance, overrides, and one-line errors."""

import math

import pytest

from xbarsim.config import hash_hardware, list_hardware, load_hardware
from xbarsim.config.hardware import Hardware
from xbarsim.errors import ConfigError

MINIMAL = """
device: {g_on_siemens: 1e-5, g_off_siemens: 1e-6}
crossbar: {rows: 8, cols: 8}
chip: {arrays_per_core: 1, cores_per_tile: 1}
timing: {clock_hz: 1e9, read_cycles: 10}
"""
COMPONENT = "components: {{own: {{per: tile, action: adc, source: test, energy_joule: 1e-12, {}}}}}\n"


def write(tmp_path, text, name="mine.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def refuse(call, *parts):
    """Check that a call raises a ConfigError of one line that holds every part."""
    with pytest.raises(ConfigError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


def test_scientific_notation_is_a_number(tmp_path):
    hardware = load_hardware(write(tmp_path, MINIMAL))
    assert hardware.device.g_on_siemens == 1e-5
    assert hardware.timing.clock_hz == 1e9


@pytest.mark.parametrize("text", ["1e-6", "1E-6", "1.e-6", "+1e-6", "0.000001", "10e-7"])
def test_every_spelling_of_a_float_reads_the_same(tmp_path, text):
    hardware = load_hardware(write(tmp_path, MINIMAL.replace("g_off_siemens: 1e-6", f"g_off_siemens: {text}")))
    assert hardware.device.g_off_siemens == pytest.approx(1e-6, rel=1e-15)


def test_name_defaults_to_the_file(tmp_path):
    assert load_hardware(write(tmp_path, MINIMAL)).name == "mine"


def test_base_inherits_key_by_key(tmp_path):
    write(tmp_path, MINIMAL, "parent.yaml")
    child = load_hardware(write(tmp_path, "base: parent.yaml\ncrossbar: {rows: 16}\n", "child.yaml"))
    assert (child.crossbar.rows, child.crossbar.cols, child.name) == (16, 8, "child")


def test_base_may_be_a_shipped_name(tmp_path):
    child = load_hardware(write(tmp_path, "base: reference\nadc: {bits: 5}\n"))
    assert child.adc.bits == 5
    assert child.crossbar.rows == 128


def test_base_that_inherits_from_itself_is_refused(tmp_path):
    path = write(tmp_path, "base: loop.yaml\n", "loop.yaml")
    refuse(lambda: load_hardware(path), "inherits from itself", "loop.yaml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (MINIMAL + "device: {}\n", ["device", "given twice"]),
        (MINIMAL + "adcs: {bits: 4}\n", ["adcs", "unknown key", "did you mean adc?"]),
        (MINIMAL.replace("clock_hz", "method: analytic, clock_hz"), ["timing.method: was removed", "leave it out"]),
        (MINIMAL + "adc: {bits: 0}\n", ["adc.bits", "0", "greater than or equal to 1"]),
        (MINIMAL + "adc: {bits: 3.5}\n", ["adc.bits", "3.5"]),
        (MINIMAL.replace("rows: 8", "rows: 0"), ["crossbar.rows", "0"]),
        (MINIMAL.replace("rows: 8, ", ""), ["crossbar.rows", "missing"]),
        (MINIMAL.replace("g_on_siemens: 1e-5", "g_on_siemens: .nan"), ["device.g_on_siemens", "finite"]),
        (MINIMAL.replace("g_on_siemens: 1e-5", "g_on_siemens: .inf"), ["device.g_on_siemens", "finite"]),
        (MINIMAL.replace("g_off_siemens: 1e-6", "g_off_siemens: -1e-6"), ["device.g_off_siemens", "-1e-06"]),
        (MINIMAL.replace("g_off_siemens: 1e-6", "g_off_siemens: 1e-5"), ["device.g_off_siemens", "not below"]),
        ("[1, 2", ["not valid YAML", "line"]),
        ("just words", ["top level must be a mapping"]),
        ("", ["top level must be a mapping"]),
        ("? [a]\n: 1", ["mine.yaml"]),
        ("# only a comment\n", ["top level must be a mapping", "the file is empty"]),
        (MINIMAL + "---\nname: other\n", ["a second document begins with ---", "line"]),
        ("a: &x 1\nb: &x 2\n", ["duplicate anchor 'x'", "rename", "line 2"]),
        (MINIMAL + "5: 6\n", ["5: a key must be text"]),
        (MINIMAL + "~: 6\n", ["'None': a key must be text"]),
        (MINIMAL + "adc: {6: 5}\n", ["adc.6: a key must be text"]),
        (MINIMAL + "'': 6\n", ["'': unknown key"]),
        (MINIMAL + "adc.bits: 6\n", ["adc.bits: unknown key; in a file, write adc: {bits: ...}"]),
        (MINIMAL + "adc:\n", ["adc: None is not allowed: should be a mapping of keys to values ("]),
        (MINIMAL.replace("1e-5", "10 uS"), ["device.g_on_siemens: '10 uS'", "a plain number in siemens, such as"]),
        (MINIMAL.replace("rows: 8", "rows: 1_0"), ["crossbar.rows: '1_0'", "write a plain number, such as 8"]),
        (MINIMAL + COMPONENT.format("table: {}"), ["components.own.table: needed for kind table"]),
        (MINIMAL + COMPONENT.format("table: {x: {}}"), ["components.own.table.x: 'x' is not", "a whole number ("]),
        (MINIMAL + COMPONENT.format("value_bits: 8"), ["own.value_bits: unknown key; it belongs to kind: per_value;"]),
        (MINIMAL + COMPONENT.format("parts: {}"), ["own.parts: {} is not allowed: should be at least 1 entries ("]),
        (MINIMAL.replace("rows: 8", "rows: few"), ["crossbar.rows: 'few' is not allowed: should be a whole number ("]),
    ],
)
def test_bad_file_is_refused_in_one_line_that_names_it(tmp_path, text, parts):
    path = write(tmp_path, text)
    refuse(lambda: load_hardware(path), *parts, "mine.yaml")


def test_binary_file_is_refused(tmp_path):
    path = tmp_path / "blob.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    refuse(lambda: load_hardware(path), "blob.yaml", "not a text file in UTF-8 (byte 0xff in line 1); save it as UTF-8")
    path.write_bytes(MINIMAL.encode() + b"# 5 \xb5S\n")
    line = MINIMAL.count("\n") + 1
    refuse(lambda: load_hardware(path), f"byte 0xb5 in line {line}")


def test_missing_file_and_unknown_name_are_refused(tmp_path):
    refuse(lambda: load_hardware(tmp_path / "none.yaml"), "none.yaml", "no such file")
    refuse(lambda: load_hardware("refrence"), "did you mean reference?")


def test_override_returns_a_new_record_and_keeps_the_old():
    hardware = load_hardware("reference")
    changed = hardware.override({"crossbar.rows": 64, "adc.bits": 6, "components.adc.count": 2})
    assert (changed.crossbar.rows, changed.adc.bits, changed.components["adc"].count) == (64, 6, 2)
    assert (hardware.crossbar.rows, hardware.adc.bits) == (128, 8)
    assert type(changed) is Hardware


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"adc.bit": 4}, ["adc.bit", "did you mean bits?"]),
        ({"adcc.bits": 4}, ["adcc.bits", "did you mean adc?"]),
        ({"encoding.kind": 1}, ["encoding.kind", "is a value, not a section"]),
        ({"components.adc.powr_watt": 1}, ["components.adc.powr_watt", "did you mean power_watt?"]),
        ({"components.adc.table": {8: {"area_m2": -1}}}, ["components.adc.table.8.area_m2", "-1"]),
        ({"encoding": "other"}, ["encoding", "'other'", "'differential'"]),
        ({"device.programming.sigma": math.nan}, ["device.programming.sigma", "finite"]),
        ({"device.stuck.on_rate": 0.7, "device.stuck.off_rate": 0.7}, ["device.stuck", "more than 1"]),
    ],
)
def test_bad_override_names_key_value_and_rule(changes, parts):
    hardware = load_hardware("reference")
    refuse(lambda: hardware.override(changes), *parts)


def test_records_are_frozen():
    hardware = load_hardware("reference")
    with pytest.raises(ValueError, match="frozen"):
        hardware.weight_bits = 4


def test_hash_sees_every_number_and_no_prose():
    hardware = load_hardware("reference")
    assert hash_hardware(hardware) == hash_hardware(hardware.override({"name": "other", "description": "text"}))
    assert hash_hardware(hardware) == hash_hardware(hardware.override({"components.adc.source": "in other words"}))
    assert hash_hardware(hardware) != hash_hardware(hardware.override({"crossbar.r_wl_ohm": 2.6}))
    assert hash_hardware(hardware) != hash_hardware(hardware.override({"components.adc.area_m2": 1e-9}))


def test_auto_adc_follows_rows_levels_and_stream():
    hardware = load_hardware("reference").override({"adc.bits": "auto", "adc.sign": "extra"})
    bits = [hardware.override({"crossbar.rows": n, "crossbar.cols": n}).adc_bits for n in (16, 32, 64, 128)]
    assert bits == [6, 7, 8, 9]  # ceil(log2(3 N)), NAX (arXiv 2106.12125)


@pytest.mark.parametrize("name", list_hardware())
def test_every_shipped_file_loads(name):
    hardware = load_hardware(name)
    assert hardware.name == name
    assert hardware.origin == f"hwconfigs/{name}.yaml"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("calibrated", None)),
        ({"adc.quantile": 0.999}, ("quantile", 0.999)),
        ({"adc.full_scale": "whole"}, ("whole", None)),
        ({"adc.full_scale": "quantile", "adc.quantile": 0.99}, ("quantile", 0.99)),
    ],
)
def test_a_quantile_and_the_kind_of_range_are_one_choice(changes, expected):
    for name in ("reference", "nax"):  # nax gives a quantile, reference none
        adc = load_hardware(name).override(changes).adc
        if changes:
            assert (adc.full_scale, adc.quantile) == expected
    clipping = load_hardware("reference").override({"adc.quantile": 0.999})
    assert clipping.override({"adc.full_scale": "calibrated"}).adc.quantile is None
    assert clipping.override({"adc.quantile": None}).adc.full_scale == "calibrated"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adc.full_scale": "quantile"}, r"adc\.quantile: missing with adc\.full_scale: quantile"),
        ({"adc.full_scale": "whole", "adc.quantile": 0.9}, r"adc\.quantile: 0\.9 contradicts adc\.full_scale: whole"),
    ],
)
def test_a_range_that_says_two_things_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_hardware("reference").override(changes)


def test_the_hash_of_a_record_is_worked_out_once_and_forgotten_with_it(monkeypatch):
    from xbarsim.config import load

    kept = len(load._CONTENTS)
    hardware = load_hardware("reference")
    first = hash_hardware(hardware)
    with monkeypatch.context() as patch:
        patch.setattr(load, "stamp_kinds", None)  # a second look would call it
        assert hash_hardware(hardware) == first
    assert hash_hardware(hardware.override({"crossbar.rows": 64})) != first
    assert hash_hardware(load_hardware("reference")) == first
    del hardware
    assert len(load._CONTENTS) == kept


def test_a_file_that_is_named_again_gives_the_same_record_until_it_changes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: reference\nweight_bits: 7\n")
    first = load_hardware(path)
    assert load_hardware(path) is first
    assert load_hardware(path, {"weight_bits": 7}) is not first
    path.write_text("base: reference\nweight_bits: 6\n")
    assert load_hardware(path).weight_bits == 6
    assert load_hardware({"base": "reference"}) is not load_hardware("reference")


SINH = {"kind": "sinh", "scale_volt": 0.1}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"crossbar.topology": "pasive"}, ("crossbar.topology", "'passive', 'passive_near', 'passive_both'")),
        ({"crossbar.r_sl_ohm": 1.0}, ("r_sl_ohm: 1 is not used with crossbar.topology: passive", "choose 1t1r_gate")),
        ({"crossbar.r_access_ohm": 1.0}, ("r_access_ohm: 1 is not used", "choose 1t1r")),
        (
            {"crossbar.topology": "passive_both", "crossbar.method": "closed_form"},
            ("method: closed_form", "choose auto"),
        ),
        ({"crossbar.topology": "1s1r"}, ("crossbar.topology: 1s1r needs the curve", "device.iv", "passive")),
    ],
)
def test_contradictory_keys_of_a_crossbar_are_refused_with_a_way_out(changes, parts):
    message = refuse(lambda: load_hardware("reference").override(changes), *parts)
    assert len(message) <= 400
    assert message.startswith("crossbar.")


def test_a_crossbar_takes_topologies_with_what_they_need():
    hardware = load_hardware("reference")
    assert hardware.crossbar.layout.name == "passive"
    assert hardware.override({"crossbar.topology": "1s1r", "device.iv": SINH}).crossbar.layout.has_selector
    assert hardware.override({"crossbar.topology": "1t1r", "crossbar.r_access_ohm": 5e3}).crossbar.r_access_ohm == 5e3


def test_a_number_among_dotted_keys_names_an_entry_of_a_table():
    hardware = load_hardware("reference", {"components.adc.table.8.rate_hz": 2e9})
    assert hardware.components["adc"].table[8].rate_hz == 2e9
