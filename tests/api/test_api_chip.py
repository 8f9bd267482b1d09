"""Chips: the bits of a simulation, in any batch, after saving and loading, and refusals of what is damaged."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.component import LAWS as COST_LAWS
from xbarsim.component import CostLaw, Rating
from xbarsim.config.encoding import ENCODINGS
from xbarsim.config.topology import TOPOLOGIES
from xbarsim.device.law import LAWS as DEVICE_LAWS
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.target import describe_target

NOISY = {
    "crossbar.rows": 32,
    "crossbar.cols": 32,
    "device.programming.sigma": 0.1,
    "device.read_noise.sigma": 0.03,
    "adc.noise_lsb": 0.3,
}
GATES = {"crossbar.topology": "1t1r_gate", "crossbar.r_sl_ohm": 2.5, "crossbar.r_wl_ohm": 0.0}
SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
BITS = {"signed": {"weight_bits": 4, "device.cell_bits": 4}}
CASES = {
    **{f"encoding {name}": {"encoding": name, **BITS.get(name, {})} for name in ENCODINGS},
    **{f"coding {name}": {"dac.signed": name, "dac.bits": 2} for name in ("sign_magnitude", "offset")},
    **{f"topology {name}": {"crossbar.topology": name} for name in TOPOLOGIES if name.startswith("passive")},
    "thresholds": {"adc.thresholds": "quantile", "adc.bits": 5},
    "ideal converter": {"adc.bits": "ideal"},
    "unequal steps": {"adc.kind": "ramp", "adc.bits": 5},
    "analog sum": {"dac.accumulate": "analog"},
    "step of a slice": {"adc.step_per": "slice", "adc.bits": 5},
    "step of a column": {"adc.step_per": "column", "adc.bits": 5},
    "collapsed": {"device.programming.distribution": "none", "crossbar.method": "ideal", "adc.bits": "auto"},
    "corrected": {"adc.output_correction": True, "adc.bits": 5},
    "corrected from the hardware": {"adc.output_correction": True, "adc.correction_inputs": "hardware"},
    "without rounding": {"adc.rounds": False},
    "two polarities": {"adc.subtract": "digital", "adc.gain_correction": True},
    "closed form": {"crossbar.method": "closed_form"},
    "fitted gates": {**GATES, "crossbar.method": "fitted"},
    "fitted sinh": {**SINH, "crossbar.method": "fitted"},
}


@pytest.fixture(scope="module")
def images():
    return xs.data.normalize_images(xs.data.load_data("digits").images[:12])


def check(network, hardware, images, folder, **settings):
    """Compare a chip, in parts and after a round trip, with a simulation; return the loaded chip."""
    report = xs.simulate(network, hardware, images, trials=2, calibration=images[:8], **settings)
    chip = xs.program(network, hardware, images[:8], trial=1, **settings)
    whole = chip(images)
    np.testing.assert_array_equal(whole, report.outputs[1])
    loaded = xs.load_chip(chip.save(folder))
    np.testing.assert_array_equal(loaded(images), whole)
    parts = [loaded(images[:7], threads=1), loaded(images[7:], first_image=7, batch_size=5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(loaded(images), whole)  # a call changes nothing
    np.testing.assert_array_equal(loaded.quantized(images), chip.quantized(images))
    np.testing.assert_array_equal(loaded.reference(images), chip.reference(images))
    assert loaded.provenance == chip.provenance
    return loaded


SLOW = ("topology", "step of", "fitted", "without rounding")


def marked(name, changes):
    return pytest.param(changes, id=name, marks=[pytest.mark.slow] if name.startswith(SLOW) else [])


@pytest.mark.parametrize("changes", [marked(name, changes) for name, changes in CASES.items()])
def test_a_chip_has_the_bits_of_a_simulation_also_when_loaded(images, tmp_path, changes):
    hardware = xs.load_hardware("reference").override(
        {**NOISY, **changes} if "device.programming.distribution" not in changes else changes
    )
    check("digits", hardware, images, tmp_path / "chip", seed=3)


@pytest.mark.slow
def test_every_read_solved_survives_a_round_trip(images, tmp_path):
    small = {"crossbar.rows": 8, "crossbar.cols": 8, "crossbar.method": "exact", "dac.bits": 4, **SINH}
    hardware = xs.load_hardware("reference").override(small)
    chip = xs.program("digits", hardware, images[:2], layers={"conv*": {"crossbar.method": "ideal"}})
    loaded = xs.load_chip(chip.save(tmp_path / "chip"))
    np.testing.assert_array_equal(loaded(images[:2]), chip(images[:2]))


def test_epitomes_and_per_layer_hardware_survive_a_round_trip(images, tmp_path):
    network = xs.load_network("digits")
    name = next(node.name for node in network.layers[1:] if node.kind == "conv2d")
    epitome = xs.Epitome(rows=64, channels=8)
    layers = {network.layers[0].name: {"crossbar.rows": 16, "crossbar.cols": 16, "adc.bits": 7, "weight_bits": 6}}
    check(network.with_epitomes({name: epitome}), "nax", images, tmp_path / "chip", layers=layers)


def test_what_stores_outputs_says_what_floats_were_computed_with(images, tmp_path):
    chip = xs.program("digits", "reference", calibration=images[:8])
    assert chip.provenance.settings["target"] == describe_target()
    chip.save(tmp_path / "chip")
    assert json.dumps(describe_target()) in "".join(path.read_text() for path in (tmp_path / "chip").glob("*.json"))
    report = xs.simulate("digits", "reference", images[:8])
    assert report.provenance.settings["target"] == describe_target()


def test_without_calibration_images_the_first_call_calibrates(images, tmp_path):
    chip = xs.program("digits", "nax")
    assert repr(chip) == "<Chip: programmed on its first images>"
    with pytest.raises(ConfigError, match=r"^calibration: none was given"):
        chip.save(tmp_path / "chip")
    np.testing.assert_array_equal(chip(images), xs.simulate("digits", "nax", images).outputs[0])
    first = chip(images[:3])
    np.testing.assert_array_equal(chip(images[:3]), first)
    assert repr(chip) == "<Chip digits on nax: 3 layers, trial 0, seed 0>"
    assert list(chip.layers["name"]) == [node.name for node in chip.network.layers]


@pytest.mark.slow
def test_processes_share_a_loaded_chip_and_leave_its_files_alone(images, tmp_path):
    chip = xs.program("digits", "nax", images[:8])
    folder = chip.save(tmp_path / "chip")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    np.save(tmp_path / "images.npy", images)
    text = (
        "import sys, numpy as np, xbarsim as xs\n"
        "folder = sys.argv[1]\n"
        "chip = xs.load_chip(folder + '/chip', verify=False)\n"
        "np.save(folder + '/out.npy', chip(np.load(folder + '/images.npy')))\n"
        "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else 'arrays-'\n"
        "assert 'arrays-' in maps\n"
    )
    subprocess.run([sys.executable, "-c", text, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), chip(images))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    arrays = np.load(next(folder.glob("arrays-*.npy")), allow_pickle=False)
    assert arrays.dtype == np.uint8


@dataclasses.dataclass(frozen=True)
class Shrunk:
    """A law of a user's."""

    by: float = 0.1

    def sample(self, g, g_target, device, rng):
        return g * (1 - self.by)


class ChipMemory(CostLaw):
    """A cost law of a user's, whose record is part of the hardware."""

    size_bits: int

    def rate(self, at):
        return Rating(energy_joule=self.energy_joule, area_m2=1e-12 * self.size_bits)


MEMORY = {
    "kind": "chip_memory", "per": "tile", "action": "buffer", "energy_joule": 1e-14, "size_bits": 4096,
    "source": "test",
}  # fmt: skip


@pytest.fixture
def tables(monkeypatch):
    for table in (COST_LAWS, DEVICE_LAWS):
        monkeypatch.setattr(table, "_classes", dict(table._classes))
        monkeypatch.setattr(table, "_added", dict(table._added))


def test_a_chip_made_with_plug_ins_asks_for_them(images, tmp_path, monkeypatch, tables):
    xs.register("component_law", "chip_memory", ChipMemory)
    xs.register("device_law", "chip_shrunk", Shrunk)
    hardware = xs.load_hardware("nax").override({"device.laws": [{"kind": "chip_shrunk", "by": 0.2}]})
    hardware = hardware.override({"components.memory": MEMORY})
    chip = check("digits", hardware, images, tmp_path / "chip")
    assert set(chip.provenance.plugins) == {"component_law:chip_memory", "device_law:chip_shrunk"}
    monkeypatch.setattr("xbarsim.api.chip.list_plugins", lambda: {"component_law:chip_memory": "other"})
    with pytest.raises(ConfigError, match=r"plug-in component_law:chip_memory, which has changed since"):
        xs.load_chip(tmp_path / "chip")
    monkeypatch.setattr("xbarsim.api.chip.list_plugins", dict)
    with pytest.raises(ConfigError, match=r"made with the plug-in component_law:chip_memory, which is not registered"):
        xs.load_chip(tmp_path / "chip")


@pytest.fixture(scope="module")
def saved(images, tmp_path_factory):
    return xs.program("digits", "nax", images[:8]).save(tmp_path_factory.mktemp("chip") / "chip")


@pytest.fixture
def copy(saved, tmp_path):
    """A copy of a saved chip, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def edit(folder, **changes):
    header = folder / "chip.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), **changes}))


@pytest.mark.parametrize(
    ("harm", "rule"),
    [
        (lambda folder: flip(next(folder.glob("arrays-*")), 5000), "damaged: its hash differs"),
        (lambda folder: flip(next(folder.glob("records-*")), 500), "damaged: its hash differs"),
        (lambda folder: flip(folder / "chip.json", 40), "damaged|is not the header|edition|not JSON"),
        (lambda folder: next(folder.glob("arrays-*")).write_bytes(b""), "damaged: its size"),
        (lambda folder: next(folder.glob("records-*")).unlink(), "cannot be read: No such file"),
        (lambda folder: (folder / "chip.json").unlink(), "holds no chip"),
        (lambda folder: (folder / "chip.json").write_text("[]"), "is not the header of a chip"),
        (lambda folder: (folder / "chip.json").write_text('{"a": ' * 9), "damaged: not JSON"),
        (lambda folder: edit(folder, edition=0), "edition 0, this version reads 1; create it again"),
        (lambda folder: edit(folder, trial=7), "damaged: its content differs"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused_in_one_line(copy, harm, rule):
    harm(copy)
    with pytest.raises(ConfigError, match=rule) as caught:
        xs.load_chip(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_chip_of_another_version_is_refused(saved, monkeypatch):
    monkeypatch.setattr("xbarsim.api.chip.__version__", "9.9")
    with pytest.raises(ConfigError, match=r"programmed by version 0\..*, this is 9\.9; program it again"):
        xs.load_chip(saved)


def test_a_missing_folder_and_one_with_other_files_are_refused(images, tmp_path):
    with pytest.raises(ConfigError, match=r"none: no such folder"):
        xs.load_chip(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds notes\.txt and no chip; choose an empty folder"):
        xs.program("digits", "nax", images[:4]).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_chip_is_replaced_at_once_or_stays(images, copy, monkeypatch):
    before = xs.load_chip(copy)(images)
    other = xs.program("digits", "isaac", images[:8])

    def fail(path, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("xbarsim.store.snapshot.replace_file", fail)
        with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
            other.save(copy)
    np.testing.assert_array_equal(xs.load_chip(copy)(images), before)
    other.save(copy)
    np.testing.assert_array_equal(xs.load_chip(copy)(images), other(images))
    assert len(list(Path(copy).iterdir())) == 3


def test_wrong_arguments_of_a_chip_are_refused(images):
    with pytest.raises(ConfigError, match="trial: -1 is not"):
        xs.program("digits", "nax", images[:4], trial=-1)
    with pytest.raises(ShapeError, match="calibration: holds no images"):
        xs.program("digits", "nax", images[:0])
    with pytest.raises(ConfigError, match="has shapes but no weights"):
        xs.program("lenet5", "nax")
    chip = xs.program("digits", "nax", images[:4])
    with pytest.raises(ConfigError, match="first_image: -2 is not"):
        chip(images, first_image=-2)
    with pytest.raises(ShapeError, match="images: expected shape"):
        chip(images[0])
    assert chip(images[:0]).shape == (0, 10)
