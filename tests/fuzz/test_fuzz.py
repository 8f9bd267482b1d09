"""A minute of the fuzz campaign, and every input that was a finding once.

Hours of it: ``python tests/fuzz/campaign.py --minutes 120`` (see its ``--help``).
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
from targets import TARGETS, edit_bytes, run_target

CORPUS = Path(__file__).parent / "corpus"
EDITS = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 6), st.integers(0, 2**20)), min_size=1, max_size=6)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_edited_inputs_are_read_or_refused_in_one_line(target):
    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 100), edits=EDITS)
    def check(seed, edits):
        content = edit_bytes(target.seeds[seed % len(target.seeds)], edits)
        assert run_target(target, content) == ""

    check()


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_finding_comes_back(path):
    target = next(each for each in TARGETS if each.name == path.parent.name)
    assert run_target(target, path.read_bytes()) == ""
