"""YAML files and values are read as YAML 1.2, and what reads as something else is refused."""

import time
import tracemalloc

import pytest

from xbarsim.errors import ConfigError
from xbarsim.yaml_file import DEEPEST, LARGEST_EXPANSION, LARGEST_FILE, MOST_VALUES, load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("8", 8), ("-3", -3), ("+1", 1),
        ("0", 0), ("0x10", 16), ("0o17", 15), ("1e-6", 1e-6), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0),
        ("9007199254740993", 9007199254740993), ("-.inf", float("-inf")),
        # text in YAML 1.2, something else in YAML 1.1
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("off", "off"), ("y", "y"), ("1:30", "1:30"), ("1:30.5", "1:30.5"),
        ("1_000", "1_000"), ("2026-01-01", "2026-01-01"), ("=", "="), ("0b11", "0b11"), ("tRue", "tRue"),
        ("'0100'", "0100"), ("!!str 0100", "0100"), ("-", [None]), ("nan", "nan"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    found = parse_yaml(text, "here")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["0100", "010", "08", "-007", "00", "01.5", "00e3", "+010"])
def test_a_number_with_a_leading_zero_is_refused(text):
    with pytest.raises(ConfigError, match=r"^here: line 2: .* leading zero.* write [-+]?\d"):
        parse_yaml(f"a:\n  {text}", "here")


@pytest.mark.parametrize(
    "tag", ["!!binary aGk=", "!!timestamp 2026-01-01", "!!set {a}", "!!python/name:os.x", "!mine 3"]
)
def test_a_tag_that_is_not_of_the_core_schema_is_refused(tag):
    with pytest.raises(ConfigError, match=r"here: line 1: .*no meaning here"):
        parse_yaml(f"a: {tag}", "here")


def test_merged_mappings_give_way_to_own_keys_and_the_first_of_two_counts():
    text = "x: &x {a: 1, b: 1}\ny: &y {<<: *x, b: 2, c: 2}\nz: {<<: *y, c: 3}\nw: {d: 4, <<: [*x, *y]}"
    found = parse_yaml(text, "here")
    assert found["y"] == {"a": 1, "b": 2, "c": 2}
    assert found["z"] == {"a": 1, "b": 2, "c": 3}
    assert found["w"] == {"a": 1, "b": 1, "c": 2, "d": 4}


@pytest.mark.parametrize("text", ["<<: 5", "a: {<<: [1]}", "a: &x {<<: *x}", "<<: []", "<<: {a: 1}\n<<: {b: 1}"])
def test_a_merge_of_something_else_is_refused(text):
    with pytest.raises(ConfigError, match="<<: "):
        parse_yaml(text, "here")


@pytest.mark.parametrize("text", ["a: &x [1, *x]", "a: &x {b: {c: *x}}"])
def test_an_alias_within_itself_is_refused(text):
    with pytest.raises(ConfigError, match="refers to what contains it"):
        parse_yaml(text, "here")


def write_laughs(levels, width, kind):
    first = "{k: l}" if kind == "merge" else f"[{','.join('l' * width)}]"
    lines = [f"- &a0 {first}"]
    for level in range(1, levels):
        old = f"*a{level - 1}"
        rows = {
            "list": f"[{','.join([old] * width)}]",
            "map": "{" + ",".join(f"k{i}: {old}" for i in range(width)) + "}",
            "merge": "{" + ",".join(f"k{i}_{level}: 1" for i in range(width)) + f", <<: {old}" + "}",
        }
        lines.append(f"- &a{level} {rows[kind]}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("levels", "width", "kind"), [(6, 10, "list"), (90, 10, "list"), (40, 4, "map"), (900, 40, "merge")]
)
def test_aliases_that_multiply_are_refused_in_little_time_and_memory(levels, width, kind):
    text = write_laughs(levels, width, kind)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ConfigError, match=f"more than {LARGEST_EXPANSION:,} values; write out"):
        parse_yaml(text, "here")
    assert time.process_time() - started < 5
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_aliases_below_the_limit_are_kept():
    assert parse_yaml(write_laughs(4, 10, "list"), "here")[3][9][9][9][9] == "l"


def test_depth_and_size_are_bounded(tmp_path):
    assert parse_yaml("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1), "here")
    for text in ("[" * (DEEPEST + 2), "{a: " * 5000, "- " * 5000 + "a"):
        with pytest.raises(ConfigError, match="levels"):
            parse_yaml(text, "here")
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"a" * LARGEST_FILE)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_yaml(path)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_yaml("/dev/zero")


@pytest.mark.parametrize("text", ["{1: a, 0x1: b}", "a: 1\na: 2", "{true: 1, True: 2}", "{a: {b: 1, 'b': 2}}"])
def test_a_key_given_twice_is_refused_however_it_is_written(text):
    with pytest.raises(ConfigError, match="given twice"):
        parse_yaml(text, "here")


@pytest.mark.parametrize("text", ["a: [" + "1," * 400_000 + "]", "\n".join(f"k{i}: 1" for i in range(90_000))])
def test_the_number_of_values_is_bounded_before_a_long_file_is_read(text):
    started = time.process_time()
    with pytest.raises(ConfigError, match=f"here: line .*more than {MOST_VALUES:,} keys and values"):
        parse_yaml(text, "here")
    assert time.process_time() - started < 5
    assert len(parse_yaml("[" + "1," * (MOST_VALUES - 1) + "]", "here")) == MOST_VALUES - 1
