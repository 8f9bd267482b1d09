"""A short run of ``benchmarks/validation/monotone.py``: what must not become worse when one setting grows."""

import pytest
from reference import random_sweeps
from reference.random_sweeps import Growth, check_sweep

CONVERTERS = [77, 392]
"""More converters change the layer that takes longest, and with it the balance of replicas."""
SEEDS = [*range(36), *CONVERTERS]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::xbarsim.errors.ModelRangeWarning")
@pytest.mark.parametrize("seed", SEEDS)
def test_more_of_a_setting_makes_nothing_worse(seed):
    assert check_sweep(seed) is None


def test_a_setting_that_makes_something_worse_is_found(monkeypatch):
    worse = Growth(
        key="timing.hop_cycles", draw=lambda *_: [1, 400], measure=random_sweeps._times, tolerance=0.01, base={}
    )
    monkeypatch.setattr(random_sweeps, "GROWTHS", (worse,))
    found = [check_sweep(seed) for seed in range(6)]
    assert any(each is not None and each["what"] == "delay" and each["ratio"] > 1.01 for each in found)
