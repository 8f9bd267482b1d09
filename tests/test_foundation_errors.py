"""Messages are one line of at most 400 characters, and seeds, counts and memory are checked in one place each."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xbarsim.cli
from xbarsim.errors import LONGEST, ConfigError, SolverError, shorten_message, show_value
from xbarsim.limits import LIMITS, check_count, check_limit, check_memory, find_memory
from xbarsim.rng import check_seed, stream


@given(st.text(max_size=3000), st.integers(0, 50))
def test_a_shortened_text_is_one_printable_line(text, times):
    line = shorten_message(text * times)
    assert len(line) <= LONGEST
    assert len(line.splitlines()) <= 1
    assert line.isprintable()


def test_the_beginning_and_the_end_of_a_long_message_are_kept():
    line = shorten_message(f"mine.yaml: adc.bits: {'x' * 10**7}: should be at most 16")
    assert line.startswith("mine.yaml: adc.bits: xxx")
    assert line.endswith("should be at most 16")


@pytest.mark.parametrize("kind", [ConfigError, SolverError])
def test_every_error_of_ours_is_short_and_survives_a_process_boundary(kind):
    error = pickle.loads(pickle.dumps(kind("key: " + "a\n" * 10000)))
    assert type(error) is kind
    assert len(f"xbarsim: warning: {error}") <= LONGEST
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "value",
    ["x" * 10**7, list(range(10**6)), dict.fromkeys(range(1000), "y" * 1000), 10**5000],
    ids=["text", "list", "mapping", "number"],
)
def test_a_huge_value_is_shown_briefly(value):
    assert len(show_value(value)) < 1000


def test_a_huge_value_in_a_file_gives_a_short_line(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: reference\nadc: {{bits: [{','.join(['l'] * 40_000)}]}}\n")
    assert xbarsim.cli.run(["hardware", "check", str(path)]) == 2
    line = capsys.readouterr().err
    assert len(line) <= LONGEST + 1
    assert "adc.bits" in line


@pytest.mark.parametrize("seed", [1.5, 2.0, "1", True, np.True_, None, -1, 2**63, float("nan"), [1], np.float64(3)])
def test_a_seed_that_is_not_whole_is_refused_by_every_stream(seed):
    with pytest.raises(ConfigError, match=r"seed: .* is not a whole number from 0 to 2\*\*63 - 1"):
        stream(seed, "device.programming")


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1, np.int64(7), np.uint8(7)])
def test_a_whole_seed_is_taken(seed):
    assert check_seed(seed) == int(seed)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, "2", True, [1], float("inf")])
def test_a_count_that_is_not_whole_or_too_small_is_refused(value):
    with pytest.raises(ConfigError, match=r"trials: .* is not a whole number of at least 1"):
        check_count("trials", value)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_limit_names_the_count_the_limit_and_a_way_out(name):
    limit = LIMITS[name]
    check_limit(name, limit.most, "here")
    for count in (limit.most + 1, 10**400):
        with pytest.raises(ConfigError) as error:
            check_limit(name, count, "here")
        assert str(error.value).startswith("here: ")
        assert f"{limit.most:,}; {limit.way_out}" in str(error.value)


def test_memory_beyond_that_of_the_machine_is_refused():
    check_memory(1000, "here", "use less")
    assert find_memory() > 1 << 28
    with pytest.raises(ConfigError, match=r"here: needs at least .* GB of memory.*; use less"):
        check_memory(1 << 60, "here", "use less")
