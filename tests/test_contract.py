"""The public face: every name that users rely on exists, and means what it should."""

import json

import numpy as np
import pandas as pd
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images

COST = (
    "energy_joule", "delay_s", "throughput_hz", "area_m2", "edap", "power_watt", "cycles", "crossbars", "arrays",
    "tiles", "utilization", "tops", "tops_per_watt", "tops_per_mm2",
)  # fmt: skip
RATING = ("tops", "power_watt", "area_m2", "tops_per_watt", "tops_per_mm2")


@pytest.fixture(scope="module")
def images():
    data = load_data("digits").take(24)
    return normalize_images(data.images), data.labels


@pytest.fixture(scope="module")
def report(images):
    return xs.simulate("digits", "reference", *images, trials=3, seed=5, threads=1)


@pytest.fixture(scope="module")
def cost():
    return xs.estimate("lenet5", "isaac")


def test_a_name_serves_wherever_hardware_does():
    hardware = xs.load_hardware("reference")
    assert hardware.override({"adc.bits": 6}).adc.bits == 6
    assert hardware.adc.bits == 8
    for name in ("reference", "isaac", "puma", "mnsim", "nax", "epim"):
        assert xs.load_hardware(name).name == name
    assert xs.estimate("lenet5", hardware).energy_joule == xs.estimate("lenet5", "reference").energy_joule


@pytest.mark.parametrize(
    "name",
    ["lenet5", "vgg8", "vgg16", "alexnet", "resnet18", "resnet20", "resnet32", "resnet50", "resnet101", "mobilenetv2"],
)
def test_networks_of_the_zoo_load_by_name(name):
    assert not xs.load_network(name).has_weights


def test_random_weights_make_a_network_runnable_and_depend_on_the_seed():
    first, second = (xs.load_network("lenet5", weights="random", seed=seed) for seed in (0, 1))
    assert first.has_weights
    assert not np.array_equal(first.layers[0].weight, second.layers[0].weight)


def test_accuracies_stand_side_by_side_with_their_spread(report):
    accuracy = report.accuracy
    for score in (accuracy.reference, accuracy.quantized, accuracy.hardware):
        assert 0 <= score <= score.top5 <= 1
    assert len(accuracy.trials) == 3
    assert accuracy.hardware == pytest.approx(np.mean(accuracy.trials))
    assert accuracy.degradation == pytest.approx(accuracy.reference - accuracy.hardware)
    assert accuracy.interval[0] <= accuracy.hardware <= accuracy.interval[1]


def test_outputs_are_raw_and_give_the_accuracy(report, images):
    assert report.outputs.shape == (3, 24, 10)
    right = (report.outputs.argmax(axis=2) == images[1]).mean(axis=1)
    np.testing.assert_allclose(right, [float(value) for value in report.accuracy.trials])


@pytest.mark.parametrize("name", COST)
def test_every_cost_is_a_number_in_both_reports(report, cost, name):
    for given in (report.cost, cost.cost, cost):
        assert np.isfinite(float(getattr(given, name)))
        assert getattr(given, name) > 0


def test_costs_agree_with_one_another(report):
    cost = report.cost
    assert cost.edap == pytest.approx(cost.energy_joule * cost.delay_s * cost.area_m2)
    assert cost.power_watt == pytest.approx(cost.energy_joule * cost.throughput_hz)
    assert cost.tops_per_watt == pytest.approx(cost.tops / cost.power_watt)
    assert cost.tops_per_mm2 == pytest.approx(cost.tops / (cost.area_m2 * 1e6))


def test_layers_and_components_are_tables_that_sum_to_the_whole(report, cost):
    for given in (report, cost):
        for table in (given.layers, given.components):
            assert isinstance(table, pd.DataFrame)
            assert table["energy_joule"].sum() == pytest.approx(given.cost.energy_joule)
            assert np.nansum(table["area_m2"]) == pytest.approx(given.cost.area_m2)
    assert {"name", "kind", "crossbars", "busy_s", "snr_db"} <= set(report.layers.columns)
    assert "component" in report.components.columns


def test_seconds_tell_setup_and_run(report):
    assert report.seconds.setup > 0
    assert report.seconds.run > 0


def test_json_has_the_documented_form(report, cost, tmp_path):
    document = json.loads(report.to_json(tmp_path / "a.json").read_text())
    assert {"accuracy", "cost", "seconds", "layers", "components", "provenance"} <= set(document)
    accuracy = document["accuracy"]
    assert accuracy["images"] == 24
    assert {"reference", "quantized", "hardware", "degradation"} <= set(accuracy)
    assert (len(accuracy["trials"]), len(accuracy["interval"])) == (3, 2)
    assert set(COST) <= set(document["cost"])
    assert set(document["seconds"]) == {"setup", "run"}
    assert {"name", "kind", "crossbars"} <= set(document["layers"][0])
    assert "component" in document["components"][0]
    made = document["provenance"]
    assert {"version", "hardware", "hardware_hash", "network", "network_hash", "seed", "overrides"} <= set(made)
    assert (made["seed"], made["version"], made["hardware"]) == (5, xs.__version__, "reference")
    plain = json.loads(cost.to_json(tmp_path / "b.json").read_text())
    assert not {"accuracy", "seconds"} & set(plain)
    assert set(COST) <= set(plain["cost"])


def test_html_is_a_folder_with_a_page(cost, tmp_path):
    cost.to_html(tmp_path / "page")
    assert (tmp_path / "page" / "index.html").is_file()


def test_hardware_knows_its_rating_plate():
    isaac = xs.load_hardware("isaac")
    for rating in (isaac.peak, isaac.tile):
        assert all(getattr(rating, name) > 0 for name in RATING)
    assert isaac.override({"chip.tiles": "auto"}).peak is None


def test_layers_are_chosen_by_name_or_glob():
    choice = {"crossbar.rows": 32, "crossbar.cols": 32, "adc.bits": 7, "weight_bits": 6}
    plain = xs.estimate("lenet5", "reference")
    for glob in ("conv2", "conv*"):
        assert xs.estimate("lenet5", "reference", layers={glob: choice}).crossbars > plain.crossbars
    assert xs.estimate("lenet5", "reference", weight_bits=4).energy_joule < plain.energy_joule
    assert xs.estimate("lenet5", "reference", activation_bits=4).energy_joule < plain.energy_joule


def test_the_transfer_operator_maps_voltages_to_sensed_currents():
    rng = np.random.default_rng(0)
    g = rng.uniform(1e-6, 1e-5, (2, 6, 5))
    ideal = xs.crossbar.solve_transfer(g, method="ideal")
    np.testing.assert_allclose(ideal, g)
    t = xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, r_source_ohm=0.0, r_sink_ohm=0.0, method="auto")
    exact = xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, method="exact")
    closed = xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, method="closed_form")
    assert t.shape == g.shape
    np.testing.assert_allclose(t, exact, rtol=1e-6)
    np.testing.assert_allclose(closed, exact, rtol=1e-2)
    assert (exact < g).all()


def test_the_transfer_report_tells_how_it_was_solved():
    g = np.full((8, 8), 1e-5)
    record = xs.crossbar.solve_transfer_report(g, r_wl_ohm=2.5, r_bl_ohm=2.5)
    np.testing.assert_array_equal(record.t, xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5))
    assert record.method
    for name in ("residual", "error_estimate", "iterations"):
        assert np.isfinite(np.max(getattr(record, name)))


@pytest.mark.parametrize("name", ["solve_currents", "write_netlist"])
def test_the_crossbar_room_offers_single_vectors_and_netlists(name):
    g, v = np.full((3, 2), 1e-5), np.full(3, 0.2)
    result = getattr(xs.crossbar, name)(g, v, r_wl_ohm=2.5, r_bl_ohm=2.5)
    if name == "write_netlist":
        assert result.rstrip().lower().endswith(".end")
    else:
        t = xs.crossbar.solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, method="exact")
        np.testing.assert_allclose(result, v @ t, rtol=1e-6)


def test_epitomes_replace_convolutions_by_glob():
    network = xs.load_network("resnet50")
    compact = network.with_epitomes({"layer[34].*": xs.Epitome(rows=1024, channels=256)})
    full, less = (
        xs.estimate(item, "epim", weight_bits=3, layers={"fc": {"weight_bits": 5}}).crossbars
        for item in (network, compact)
    )
    assert less < full


def test_the_oracle_answers_for_networks_and_layers():
    oracle = xs.CostOracle(xs.load_hardware("reference"), None)
    whole = oracle.cost(xs.load_network("lenet5"), layers={"conv1": {"adc.bits": 7}})
    shape = {
        "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "height": 32,
        "width": 32,
    }  # fmt: skip
    layer = oracle.layer("conv2d", shape, {"crossbar.rows": 64, "crossbar.cols": 64})
    linear = oracle.layer("linear", {"in_features": 16, "out_features": 16, "vectors": 2}, {})
    for given in (whole, layer, linear):
        assert all(getattr(given, name) > 0 for name in COST)


def test_a_module_of_torch_becomes_a_network():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(3600, 5)
    )
    network = xs.from_torch(module, input_shape=(3, 32, 32))
    assert network.output_shape == (5,)
    assert network.has_weights


@pytest.mark.parametrize(
    "command",
    [
        "demo", "simulate", "estimate", "sweep", "report", "search nax", "search epitome", "compare", "finetune",
        "oracle", "hardware list", "hardware show", "hardware check", "hardware schema", "network list", "network show",
    ],
)  # fmt: skip
def test_every_command_exists(command, capsys):
    from xbarsim.cli import run

    assert run([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: xbarsim {command}" in out


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "simulate",
            "hardware data calibration mean std normalize set layer images weight-bits activation-bits seed trials "
            "threads json report",
        ),
        ("estimate", "hardware set layer weight-bits json trace report"),
        ("sweep", "out workers dask dry-run"),
        ("search nax", "out"),
        ("oracle", "hardware"),
    ],
)
def test_every_option_exists(command, options, capsys):
    from xbarsim.cli import run

    assert run([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert not [name for name in options.split() if f"--{name} " not in out and f"--{name}\n" not in out]
