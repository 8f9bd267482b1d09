"""A noise of cells planted through the table of device laws acts everywhere with that one place."""

import dataclasses

import numpy as np
import pytest
from pydantic import BaseModel

from xbarsim.config import Device, hash_hardware, load_hardware
from xbarsim.device import LAWS, level_conductance, program_cells
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mvm import program_matrix
from xbarsim.plugin import register

RANGE = {"g_on_siemens": 1e-4, "g_off_siemens": 1e-6, "cell_bits": 2}
DIGITS = np.tile(np.arange(4), (1, 1, 100, 25))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Telegraph:
    """Some cells lose a share of their conductance."""

    rate: float
    loss: float = 0.5

    def sample(self, g, g_target, device, rng):
        """Return conductances, shape of ``g`` [S]."""
        return np.where(rng.random(g.shape) < self.rate, g * (1 - self.loss), g)


class Offset(BaseModel, extra="forbid", frozen=True):
    """Every cell has a parallel path."""

    path_siemens: float = 1e-6

    def sample(self, g, g_target, device, rng):
        """Return conductances, shape of ``g`` [S]."""
        return g + self.path_siemens


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(LAWS, "_classes", dict(LAWS._classes))
    monkeypatch.setattr(LAWS, "_added", dict(LAWS._added))
    register("device_law", "flicker", Telegraph)
    register("device_law", "offset_path", Offset)


def test_a_registered_law_acts_behind_those_that_ship_and_leaves_their_draws_alone():
    errors = {"programming": {"distribution": "normal", "sigma": 0.05}, "stuck": {"on_rate": 0.1}}
    plain = program_cells(DIGITS, Device(**RANGE, **errors), seed=1)
    device = Device(**RANGE, **errors, laws=[{"kind": "flicker", "rate": 0.2}])
    g = program_cells(DIGITS, device, seed=1)
    ratio = (g / plain).ravel()
    # 10,000 cells: 0.2 is known to 0.004; 0.03 is 7.5 sigma
    assert set(np.round(ratio, 12)) == {0.5, 1.0}
    assert abs((ratio == 0.5).mean() - 0.2) < 0.03
    np.testing.assert_array_equal(g, program_cells(DIGITS, device, seed=1))


def test_laws_act_in_order_and_the_second_use_of_one_has_draws_of_its_own():
    laws = [{"kind": "flicker", "rate": 0.5}, {"kind": "offset_path"}, {"kind": "flicker", "rate": 0.5}]
    device = Device(**RANGE, laws=laws)
    g, target = program_cells(DIGITS, device, seed=1), level_conductance(DIGITS, device)
    choices = [target + 1e-6, target / 2 + 1e-6, (target + 1e-6) / 2, (target / 2 + 1e-6) / 2]
    hits = [np.isclose(g, choice, rtol=1e-12, atol=0) for choice in choices]
    assert np.any(hits, axis=0).all()
    assert all(hit.any() for hit in hits)


def test_hardware_yaml_names_the_law_and_the_engine_feels_it(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: reference\ndevice:\n  laws:\n    - {kind: flicker, rate: 1.0, loss: 0.25}\n")
    base, mine = load_hardware("reference"), load_hardware(file)
    weights = np.arange(-8, 8).reshape(4, 4)
    plain, lossy = (program_matrix(weights, hw, weight_bits=8, activation_bits=8) for hw in (base, mine))
    assert 0 < np.abs(lossy.programmed.matrix).sum() < np.abs(plain.programmed.matrix).sum()


def test_the_hash_of_hardware_holds_law_settings_and_source(monkeypatch):
    base = load_hardware("reference")
    mine = load_hardware("reference", {"device.laws": [{"kind": "flicker", "rate": 0.1}]})
    other = load_hardware("reference", {"device.laws": [{"kind": "flicker", "rate": 0.2}]})
    before = hash_hardware(mine)
    assert len({hash_hardware(base), before, hash_hardware(other)}) == 3
    monkeypatch.setitem(LAWS._added, "flicker", "edited")
    assert hash_hardware(mine) != before


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ("{kind: flicker, rat: 0.1}", r"device\.laws\.0\.rat: unknown key.*rate"),
        ("{kind: flicker}", r"device\.laws\.0\.rate: missing"),
        ("{kind: flicker, rate: often}", r"device\.laws\.0\.rate: 'often' is not allowed"),
        ("{kind: offset_path, path_siemens: [1]}", r"device\.laws\.0\.path_siemens: .* is not allowed"),
        ("{kind: flikker, rate: 0.1}", r"device\.laws\.0\.kind: 'flikker' is not a known device_law.*flicker"),
        ("{kind: drift}", r"device\.laws\.0\.kind: 'drift' ships"),
        ("{rate: 0.1}", r"device\.laws\.0\.kind: missing"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_with_key_and_file(tmp_path, law, message):
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: reference\ndevice: {{laws: [{law}]}}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        load_hardware(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_lacks_what_a_law_needs_is_refused_when_registered():
    class Nothing:
        pass

    class Plain:
        def sample(self, g, g_target, device, rng):
            return g

    class Short(BaseModel):
        def sample(self, g, rng):
            return g

    with pytest.raises(ConfigError, match="no method sample"):
        register("device_law", "nothing", Nothing)
    with pytest.raises(ConfigError, match="neither a dataclass nor a pydantic model"):
        register("device_law", "plain", Plain)
    with pytest.raises(ConfigError, match=r"takes \(g, rng\); needed: \(g, g_target, device, rng\)"):
        register("device_law", "short", Short)


def test_what_cells_cannot_have_is_refused_with_the_name_of_the_law():
    class Wrong(BaseModel):
        def sample(self, g, g_target, device, rng):
            return -g

    register("device_law", "wrong", Wrong)
    with pytest.raises(ShapeError, match=r"device law wrong: .* below zero"):
        program_cells(DIGITS, Device(**RANGE, laws=[{"kind": "wrong"}]), seed=0)
