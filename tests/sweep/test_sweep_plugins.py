"""Only the plug-ins that a sweep or an answer of the oracle names enter its keys and travel to its workers."""

import dataclasses
import pickle

import pytest

import xbarsim as xs
from xbarsim.device import LAWS
from xbarsim.errors import ConfigError
from xbarsim.fleet import local
from xbarsim.fleet.cluster import pack_workload
from xbarsim.sweep import make_sweep, plan_sweep, run_sweep
from xbarsim.sweep.run import FACTORY

CONTENT = {"network": "lenet5", "axes": {"crossbar.rows": [64, 128]}, "metrics": ["cost.edap"]}


@pytest.fixture
def fading(monkeypatch):
    """Register a law that no other process can import, as in a notebook."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Fading:
        rate: float = 0.1

        def sample(self, g, g_target, device, rng):
            return g * (1 - self.rate)

    monkeypatch.setattr(LAWS, "_classes", dict(LAWS._classes))
    monkeypatch.setattr(LAWS, "_added", dict(LAWS._added))
    xs.register("device_law", "fading", Fading)


def plan(**changes):
    return plan_sweep(make_sweep({**CONTENT, **changes}))


def test_a_law_that_nothing_names_leaves_keys_processes_and_clusters_alone(request, tmp_path, monkeypatch):
    before = [point.key for point in plan().points]
    hashes = xs.CostOracle("reference", None)._name("cost")
    request.getfixturevalue("fading")
    after = plan()
    assert [point.key for point in after.points] == before
    assert "plugins" not in after.common
    assert xs.CostOracle("reference", None)._name("cost") == hashes
    assert xs.estimate("lenet5", "reference").provenance.plugins == {}
    assert pickle.loads(pack_workload(FACTORY, after.workload))[0] == ()
    monkeypatch.setattr(local, "_compute_here", None)  # only for a law that cannot travel
    assert run_sweep(after, tmp_path, workers=2).done == 2


@pytest.mark.usefixtures("fading")
@pytest.mark.parametrize("where", ["axes", "set", "layers", "hardware"])
def test_a_law_that_a_sweep_names_is_part_of_its_keys_and_has_to_travel(where, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: reference\ndevice: {laws: [{kind: fading}]}\n")
    law = [{"kind": "fading"}]
    changes = {
        "axes": {"axes": {"device.laws": [[], law]}},
        "set": {"set": {"device.laws": law}},
        "layers": {"layers": {"conv1": {"device.laws": law}}},
        "hardware": {"hardware": [str(file)]},
    }[where]
    found = plan(**changes)
    assert found.workload.plugins == ("device_law:fading",)
    assert found.common["plugins"] == {"device_law:fading": LAWS.fingerprint("fading")}
    with pytest.raises(ConfigError, match="device_law 'fading': defined in the main program or in a function"):
        pack_workload(FACTORY, found.workload)
    LAWS._added["fading"] = "edited"
    assert not {point.key for point in found.points} & {point.key for point in plan(**changes).points}


@pytest.mark.usefixtures("fading")
def test_a_law_that_a_choice_names_is_part_of_the_answers_key():
    oracle = xs.CostOracle("reference", None)
    choices = [("conv1", {"device.laws": [{"kind": "fading"}]})]
    plain, named = oracle._name("cost", []), oracle._name("cost", choices)
    made = xs.estimate("lenet5", "reference", layers=dict(choices)).provenance.plugins
    assert made == {"device_law:fading": LAWS.fingerprint("fading")}
    LAWS._added["fading"] = "edited"
    assert oracle._name("cost", []) == plain
    assert oracle._name("cost", choices) != named
