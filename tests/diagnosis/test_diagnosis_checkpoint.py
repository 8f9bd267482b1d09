"""An explanation that was killed goes on where it was, and comes out the same to the last bit."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis import bench, layer_share

REMEDIES = ["gain correction", "output correction"]
SETTINGS = {"trials": 2, "seed": 3, "threads": 1, "remedies": REMEDIES}
POOR = {"device.programming.sigma": 0.2, "crossbar.method": "ideal", "adc.clips": False, "adc.bits": 5}


class KilledError(Exception):
    """Stands for the end of a process."""


def explain(data, **settings):
    """Explain a poor chip that has two causes."""
    return xs.explain("digits", xs.load_hardware("reference", POOR), data, **{**SETTINGS, **settings})


@pytest.fixture(scope="module")
def data():
    """Some test digits."""
    digits = load_data("digits").take(12)
    return normalize_images(digits.images), digits.labels


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """The document of an explanation that keeps nothing."""
    return explain(data).to_json(tmp_path_factory.mktemp("plain") / "e.json").read_bytes()


def allow(monkeypatch, simulations, walks=100):
    """Let some simulations and some blocks of images for layers run, and end the process behind them; count them."""
    done = {"simulate": 0, "walk": 0}

    def count(name, most, function):
        def call(*args, **kwargs):
            if done[name] == most:
                raise KilledError
            found = function(*args, **kwargs)
            done[name] += 1
            return found

        return call

    monkeypatch.setattr(bench.Bench, "_simulate", count("simulate", simulations, SIMULATE))
    monkeypatch.setattr(layer_share, "_walk", count("walk", walks, WALK))
    return done


SIMULATE, WALK = bench.Bench._simulate, layer_share._walk
# none, all and each of two causes alone; two remedies, and both of them together where both help
RUNS, BLOCKS = (6, 7), 2


def test_a_killed_explanation_goes_on_and_is_the_same_to_the_last_bit(data, expected, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    for simulations, walks, before in [(2, 9, 0), (3, 9, 2), (9, 1, 5)]:
        done = allow(monkeypatch, simulations, walks)
        with pytest.raises(KilledError):
            explain(data, checkpoint=folder)
        assert len(list(folder.glob("*.npz"))) == before + sum(done.values())
    done = allow(monkeypatch, 9)
    assert explain(data, checkpoint=folder).to_json(tmp_path / "e.json").read_bytes() == expected
    assert done == {"simulate": 0, "walk": BLOCKS - 1}
    assert len(list(folder.glob("*.npz"))) - BLOCKS in RUNS


def test_what_is_kept_serves_the_same_question_alone(data, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    explain(data, checkpoint=folder, parts=["causes"])
    done = allow(monkeypatch, 100)
    explain(data, checkpoint=folder, parts=["causes"])
    assert done["simulate"] == 0
    explain(data, checkpoint=folder, parts=["causes"], seed=4)
    assert done["simulate"] == 4
    explain((data[0] * 0.5, data[1]), checkpoint=folder, parts=["causes"])
    assert done["simulate"] == 8
    explain(data, checkpoint=folder, parts=["causes"], layers={"fc": {"adc.bits": 6}})
    assert done["simulate"] >= 11


def test_a_file_that_a_layer_names_counts_by_its_content(data, tmp_path, monkeypatch):
    levels = tmp_path / "levels.csv"
    layers = {"fc": {"device.programming.distribution": "none", "device.levels_file": str(levels)}}
    hardware = xs.load_hardware("reference", {"crossbar.method": "ideal"})
    place = np.linspace(hardware.device.g_off_siemens, hardware.device.g_on_siemens, 2**hardware.device.cell_bits)
    done = allow(monkeypatch, 100)

    def run(factor, **settings):
        rows = [f"{level},{factor * g}" for level, g in enumerate(place)]
        levels.write_text("\n".join(["level,conductance_siemens", *rows]) + "\n")
        keys = {"layers": layers, "parts": ["layers"], "trials": 1, "threads": 1, **settings}
        return xs.explain("digits", hardware, data, **keys).to_json(tmp_path / "e.json").read_bytes()

    folder = tmp_path / "kept"
    run(1.0, checkpoint=folder)
    before = dict(done)
    found = run(0.8, checkpoint=folder)
    assert all(done[name] > before[name] for name in done)
    assert found == run(0.8)


def test_a_damaged_file_is_made_anew(data, expected, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    explain(data, checkpoint=folder)
    files = sorted(folder.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:-40])
    files[1].write_bytes(b"")
    done = allow(monkeypatch, 100)
    assert explain(data, checkpoint=folder).to_json(tmp_path / "e.json").read_bytes() == expected
    assert sum(done.values()) == 2


def test_a_folder_that_cannot_be_written_is_named(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(xs.ConfigError, match="file: cannot be written"):
        explain(data, checkpoint=tmp_path / "file", parts=["causes"])


def test_remedies_are_tried_by_name_or_glob(data):
    found = explain(data, parts=["remedies"], remedies=["*output corr*"]).remedies
    assert set(found["remedy"]) == {"output correction", "on-chip output correction"}
    with pytest.raises(xs.ConfigError, match="remedies: 'outputs'"):
        explain(data, parts=["remedies"], remedies=["outputs"])


def test_what_another_target_computed_is_computed_again(data, tmp_path, monkeypatch):
    explain(data, checkpoint=tmp_path, remedies=[])
    done = allow(monkeypatch, 100)
    explain(data, checkpoint=tmp_path, remedies=[])
    assert done["simulate"] == 0
    monkeypatch.setattr(bench, "describe_target", lambda: "elsewhere")
    explain(data, checkpoint=tmp_path, remedies=[])
    assert done["simulate"] > 0
