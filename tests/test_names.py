"""Names and globs that users type."""

import pytest

from xbarsim.errors import ConfigError
from xbarsim.names import match_names, suggest, suggest_or_list

NAMES = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "fc", "part[0]", "part0"]


def test_a_glob_stands_for_all_it_matches_in_order():
    assert match_names("layer1*", NAMES, "layers") == ["layer1.0.conv1", "layer1.0.conv2"]
    assert match_names("*conv1", NAMES, "layers") == ["conv1", "layer1.0.conv1"]


def test_a_name_stands_for_itself_even_where_it_reads_as_a_glob():
    assert match_names("part[0]", NAMES, "layers") == ["part[0]"]
    assert match_names("part[01]", NAMES, "layers") == ["part0"]


def test_what_matches_nothing_is_named_with_the_closest_name():
    with pytest.raises(ConfigError, match=r"^space\.conv9: no layer has this name; did you mean conv1\?$"):
        match_names("conv9", NAMES, "space.conv9")
    with pytest.raises(ConfigError, match=r"^epitomes\.zzz: no convolution has this name$"):
        match_names("zzz", NAMES, "epitomes.zzz", "convolution")


def test_hints_name_a_close_word_or_all():
    assert suggest("sigmq", ["sigma", "tau"]) == "; did you mean sigma?"
    assert suggest("zzz", ["sigma", "tau"]) == ""
    assert suggest_or_list("zzz", ["tau", "sigma"]) == "; known: sigma, tau"
    assert suggest_or_list("zzz", []) == "; known: none"
