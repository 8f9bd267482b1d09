"""``xbarsim explain`` prints causes, layers and remedies in 80 columns, and refuses what it does not know."""

import json
import re

import pytest
from samples import make_provenance

import xbarsim.cli.explain
from xbarsim.cli._tables import make_console
from xbarsim.diagnosis import CauseShare, Explanation, LayerShare, RemedyGain, Whole

MEASURES = ("accuracy", "agreement", "cosine")


def make_explanation(layers=60):
    """Return a made-up explanation with everything in it and long names."""
    whole = {"unit": "%", "higher_is_better": True, "reference": 88.0, "integers": 87.5, "hardware": 40.0}
    share = {"alone_points": 76.0, "low": -30.25, "high": -10.5, "removed_points": -8.0}
    names = ("quantisation", "converter nonlinearity", "variation")
    gains = ("output correction + arrays of half the size", "groups in small arrays")
    ratios = {"energy_ratio": 12.345, "area_ratio": 1.5, "delay_ratio": 1.0, "agreement": 100.0, "cosine": 0.951}
    return Explanation(
        measure="accuracy",
        wholes={name: Whole(measure=name, **whole) for name in MEASURES},
        shares={name: tuple(CauseShare(cause=each, share_points=15.8, **share) for each in names) for name in MEASURES},
        layer_shares=tuple(
            LayerShare(layer=f"blocks.{i}.a_layer_with_a_very_long_name.conv", share_points=-1.0,
                       snr_db=None if i == 3 else 10.0 + i, cosine_points=float(i))
            for i in range(layers)
        ),
        gains=tuple(RemedyGain(remedy=name, points=36.0, low=-10.0, high=50.0, **ratios) for name in gains),
        refused={"one bit per cell": "device.cell_bits: 1 is not allowed here"},
        orders=6,
        layer_images=20,
        provenance=make_provenance(),
    )  # fmt: skip


@pytest.fixture
def found():
    """A made-up explanation whose provenance says how many images there are."""
    made = make_explanation()
    made.provenance.settings["images"] = 200
    return made


def test_everything_fits_in_80_columns(found, capsys):
    xbarsim.cli.explain.show_explanation(make_console(), found)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for part in (
        "200 images", "48.00", "variation", "-30.2 to -10.5", "means over 6 orders", "36 more with smaller shares",
        "+36.00", "12.35", "one bit per cell: does not apply: device.cell_bits",
    ):  # fmt: skip
        assert part in text
    order = [text.index(part) for part in ("float", "Causes", "Layers", "Remedies")]
    assert order == sorted(order)
    assert "…   ener" not in text


def test_the_page_has_figures_and_tables_and_opens_offline(found, tmp_path):
    page = found.to_html(tmp_path / "page").read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    for name in ("causes", "layers", "remedies"):
        assert (tmp_path / "page" / "figures" / f"{name}.png").stat().st_size > 5000
        assert (tmp_path / "page" / f"{name}.csv").read_text().count("\n") > 2
        assert f"figures/{name}.svg" in page
    for part in ("largest cause", "Loss in points of cosine", "12.345", "Not simulated", "6 orders were drawn"):
        assert part in page
    assert json.loads((tmp_path / "page" / "explanation.json").read_text())["orders"] == 6


def test_the_command_explains_the_digits_network(xbarsim_command, tmp_path):
    code, out, _ = xbarsim_command(
        "explain", "digits", "--images", "8", "--trials", "1", "--parts", "causes", "--set", "adc.bits=4",
        "--layer", "fc:adc.bits=5", "--seed", "2", "--threads", "1", "--json", tmp_path / "e.json",
    )  # fmt: skip
    assert code == 0
    assert "digits on reference, 8 images" in out
    document = json.loads((tmp_path / "e.json").read_text())
    assert document["remedies"] == document["layers"] == []
    assert {row["cause"] for row in document["causes"]["accuracy"]} == {
        "quantisation", "converter range", "converter resolution", "variation", "wires",
    }  # fmt: skip
    assert document["provenance"]["seed"] == 2
    assert document["provenance"]["overrides"] == {"adc.bits": 4, "layers.fc": {"adc.bits": 5}}


def test_the_command_keeps_its_simulations_and_tries_the_remedies_that_are_named(xbarsim_command, tmp_path):
    options = (
        "--images",
        "4",
        "--trials",
        "1",
        "--parts",
        "remedies",
        "--remedy",
        "gain*",
        "--checkpoint",
        tmp_path / "k",
    )
    documents = []
    for name in ("first.json", "second.json"):
        code, out, _ = xbarsim_command("explain", "digits", *options, "--threads", "1", "--json", tmp_path / name)
        assert code == 0
        assert "gain correction" in out
        documents.append((tmp_path / name).read_bytes())
    assert documents[0] == documents[1]
    assert [row["remedy"] for row in json.loads(documents[0])["remedies"]] == ["gain correction"]
    assert len(list((tmp_path / "k").glob("*.npz"))) == 3  # integers, the hardware as it is, and the remedy


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--parts", "cause"), "--parts cause: 'cause' is not one of causes, layers, remedies"),
        (("--trials", "0"), "--trials 0: should be 1 or more"),
        (("--orders", "0"), "--orders 0: should be 1 or more"),
    ],
)
def test_wrong_options_are_refused_in_one_line(xbarsim_command, options, text):
    code, _, err = xbarsim_command("explain", "digits", *options)
    assert code == 2
    assert err == f"xbarsim: {text}\n"
