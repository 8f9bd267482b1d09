"""Sources follow what is set: no line tells about a value that was replaced."""

from hypothesis import given, settings
from hypothesis import strategies as st

import xbarsim as xs
from xbarsim.config import Hardware, override_record
from xbarsim.config.source import find_source, list_leaves, mark_source

SETTINGS = {
    "adc.bits": (5, 6), "adc.per_array": (2, 4), "crossbar.rows": (32, 64),
    "crossbar.r_wl_ohm": (1.0, 9.0), "device.g_on_siemens": (2e-5, 3e-5), "device.read_volt": (0.1, 0.3),
    "device.programming.sigma": (0.1, 0.2), "device.write.volt": (1.5, 3.0), "timing.vector_lanes": (12, 48),
    "timing.link_bits": (64, 16), "weight_bits": (4, 6), "activation_bits": (4, 6), "chip.cores_per_tile": (4, 6),
    "components.adc.count": (2.0, 3.0), "components.buffer.count": (2.0, 3.0), "activity.input_activity": (0.25, 0.75),
    "device.programming": ({"distribution": "normal", "sigma": 0.01}, {"distribution": "lognormal", "sigma": 0.02}),
}  # fmt: skip
"""Key -> values that no line of the file states."""


def make_talkative():
    """Return the reference hardware whose lines state every value that they belong to, key by key and section by
    section; some lines of other keys state it as well."""
    hardware = xs.load_hardware("reference")
    values = {key: state(hardware, key) for key in SETTINGS}
    sections = {key.split(".")[0] for key in SETTINGS} - {"components"}
    sources = dict(values)
    for section in sections:
        sources[section] = "; ".join(text for key, text in values.items() if key.split(".")[0] == section)
    sources["dac"] = f"as {values['timing.link_bits']}"
    told = {name: {**component.model_dump(), "source": "; ".join(text for key, text in values.items()
            if key.startswith(f"components.{name}."))} for name, component in hardware.components.items()
            if any(key.startswith(f"components.{name}.") for key in SETTINGS)}  # fmt: skip
    changes = {f"components.{name}.source": part["source"] for name, part in told.items()}
    return override_record(hardware, {"sources": sources, **changes}, Hardware)


def state(hardware, key):
    """Write what a key is, so that no other value reads like it."""
    value = hardware.model_dump()
    for part in key.split("."):
        value = value[part]
    return f"({key} is {value!r})"


TALKATIVE = make_talkative()
STATED = {key: state(TALKATIVE, key) for key in SETTINGS}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(SETTINGS)), st.integers(0, 1)), min_size=1, max_size=5), st.booleans())
def test_after_overrides_no_source_states_an_old_value(picked, one_by_one):
    changes = {key: SETTINGS[key][number] for key, number in picked}
    hardware = TALKATIVE
    for part in [{key: value} for key, value in changes.items()] if one_by_one else [changes]:
        hardware = hardware.override(part)
    made = xs.estimate(TINY, hardware).provenance
    for text in [*made.sources.values(), *hardware.sources.values()]:
        assert not [key for key in changes if STATED[key] in text]
        assert text
    for key in set(SETTINGS) - set(changes):  # what was not touched keeps its line
        if not any(key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in changes):
            assert hardware.sources.get(key, STATED[key]) == STATED[key]
    for key in changes:
        assert made.replaced[key] == made_of(TALKATIVE, key)


def made_of(hardware, key):
    """Return the value of a key."""
    value = hardware.model_dump()
    for part in key.split("."):
        value = value[part]
    return value


TINY = xs.load_network("lenet5")


def test_bits_and_choices_of_layers_count_as_set():
    made = xs.estimate(TINY, TALKATIVE, weight_bits=6, layers={"fc*": {"adc.bits": 6}}).provenance
    text = " ".join(made.sources.values())
    assert STATED["weight_bits"] not in text
    assert STATED["adc.bits"] not in text
    assert STATED["adc.per_array"] in text
    assert (made.overrides["weight_bits"], made.replaced["weight_bits"]) == (6, 8)
    assert made.record["weight_bits"] == 6


def test_a_value_that_stays_keeps_its_source():
    hardware = TALKATIVE.override({"adc.bits": 8})
    assert hardware.sources == TALKATIVE.sources


def test_a_file_says_which_inherited_values_it_replaces(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: reference\ndevice: {programming: {sigma: 0.2}}\nadc: {bits: 6}\nsources: {adc: measured}\n")
    hardware = xs.load_hardware(path)
    assert hardware.sources["device"] == (
        f"set in {path}: device.programming.sigma; for all else see hwconfigs/reference.yaml"
    )
    assert hardware.sources["adc"] == "measured"
    assert hardware.sources["crossbar"] == xs.load_hardware("reference").sources["crossbar"]


def test_no_shipped_file_leaves_an_inherited_source_that_it_contradicts():
    for name in xs.config.list_hardware():
        hardware = xs.load_hardware(name)
        lines = [*hardware.sources.values(), *(part.source for part in hardware.components.values())]
        assert not [text for text in lines if text.startswith("set ")], name


def test_several_keys_of_one_section_are_listed_together():
    sources = {"adc": "8 bits", "dac": "1 bit"}
    for key in ("adc.bits", "adc.per_array", "adc.bits"):
        sources = mark_source(sources, key, where="here", file="chip.yaml")
    assert sources == {"adc": "set here: adc.bits, adc.per_array; for all else see chip.yaml", "dac": "1 bit"}
    assert mark_source(sources, "adc", where="here", file="chip.yaml")["adc"] == "set here"


def test_the_narrowest_line_is_the_source_of_a_key():
    sources = {"device": "a", "device.write": "b"}
    assert find_source(sources, "device.write.volt") == "device.write"
    assert find_source(sources, "device.g_on_siemens") == "device"
    assert find_source(sources, "devices") is None
    assert list_leaves({"a": {"b": 1, "c": {}}, "d": 2}, "x") == ["x.a.b", "x.a.c", "x.d"]
