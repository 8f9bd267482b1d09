"""Records as folders: what is stored comes back equal, once, and only records are made."""

import dataclasses
import json

import numpy as np
import pytest

from xbarsim.converter import AdcRange
from xbarsim.errors import ConfigError
from xbarsim.mvm._records import Range
from xbarsim.network import Node
from xbarsim.store import load_snapshot, save_snapshot
from xbarsim.store.tree import RecordReader, RecordWriter


def give_back(folder, value, **named):
    save_snapshot(folder, value, {}, kind="thing", named=named)
    return load_snapshot(folder, kind="thing", named=named).root


def test_values_of_every_kind_come_back_equal(tmp_path):
    value = {
        "numbers": (1, -2.5, True, None, float("inf"), np.float32(0.1), np.int64(-3), 1e-300),
        "texts": ["a", "ü", b"\0\1"],
        "parts": (slice(1, None), range(2, 9, 3)),
        3: {"deep": ({"er": ()},)},
    }
    found = give_back(tmp_path, value)
    assert found == value
    assert type(found["numbers"][5]) is np.float32


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "u2", "?", "c16"])
def test_arrays_keep_bits_type_order_and_whether_they_may_be_written(tmp_path, dtype):
    rng = np.random.default_rng(0)
    plain = (rng.standard_normal((5, 7, 3)) * 9).astype(dtype)
    frozen = plain.copy()
    frozen.flags.writeable = False
    arrays = (plain, np.asfortranarray(plain), plain[::2, :, 1], frozen, plain[:0], np.array(3, dtype))
    found = give_back(tmp_path, arrays)
    for before, after in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype
        assert after.flags.writeable == before.flags.writeable
        assert after.flags.c_contiguous or not before.flags.c_contiguous
        assert after.flags.f_contiguous or not before.flags.f_contiguous
        assert after.ctypes.data % 64 == 0


def test_writing_to_a_loaded_array_leaves_the_file_alone(tmp_path):
    found = give_back(tmp_path, np.zeros(100))
    found += 1
    assert load_snapshot(tmp_path, kind="thing", named={}).root.sum() == 0


def test_what_two_records_hold_is_stored_once(tmp_path):
    weight = np.ones(10000, np.float32)
    node = Node(name="a", kind="linear", weight=weight)
    found = give_back(tmp_path, (node, node, Range(1.0, 2.0, 3.0), weight[:]))
    assert found[0] is found[1]
    assert found[0].name == "a"
    np.testing.assert_array_equal(found[0].weight, weight)
    assert found[2] == Range(1.0, 2.0, 3.0)
    assert type(found[2]) is Range
    assert next(tmp_path.glob("arrays-*")).stat().st_size < 2 * weight.nbytes


def test_objects_with_functions_are_stored_by_name_and_others_are_refused(tmp_path):
    act = (lambda: 1,)
    assert give_back(tmp_path, [act], act=act)[0] is act
    with pytest.raises(ConfigError, match=r"^thing: cannot hold .*function"):
        give_back(tmp_path, [lambda: 1])
    with pytest.raises(ConfigError, match=r"^thing: cannot hold an array of object"):
        give_back(tmp_path, np.array([None]))


@pytest.mark.parametrize(
    "record",
    [
        ["os:system", {}],
        ["xbarsim.store.file:write_file", {"path": "x"}],
        ["xbarsim.errors:ConfigError", {}],
        ["subprocess:Popen", {"args": "true"}],
        ["xbarsim.converter.adc:AdcRange", {"lsb": 1.0}],
        ["xbarsim.nowhere:Thing", {}],
    ],
)
def test_only_records_with_their_fields_are_made(record):
    content = {"arrays": [], "records": [record], "root": {"record": 0}}
    with pytest.raises((ValueError, TypeError, ImportError)):
        RecordReader(content, np.zeros(0, np.uint8), {}, lambda name: None)


def test_a_record_of_an_older_form_is_refused_in_one_line(tmp_path):
    save_snapshot(tmp_path, AdcRange(lsb=1.0, lowest=0, highest=3, is_ideal=False), {}, kind="thing", named={})
    writer = RecordWriter({}, "thing")
    writer.write(AdcRange(lsb=1.0, lowest=0, highest=3, is_ideal=False))
    ((name, fields),) = writer.records
    assert name == "xbarsim.converter.adc:AdcRange"
    assert set(fields) == {field.name for field in dataclasses.fields(AdcRange)}
    header = json.loads((tmp_path / "thing.json").read_text())
    assert header["kind"] == "thing"
    with pytest.raises(ConfigError, match="holds no other"):
        load_snapshot(tmp_path, kind="other", named={})
