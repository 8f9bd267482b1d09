"""The command line: what it passes on, what it prints, how it fails."""

import json
import subprocess
import sys

import numpy as np
import pytest
from samples import make_cost_report, make_report

import xbarsim as xs
import xbarsim.cli
from xbarsim.cli import _options
from xbarsim.errors import ConfigError, MappingError, SolverError
from xbarsim.network.build import NetworkBuilder
from xbarsim.network.write_onnx import write_onnx

COMMANDS = ["demo", "simulate", "explain", "estimate", "compare", "quantize", "hardware", "network"]


def one_line(text):
    """Check that a failure is told in one line and return it."""
    assert text.startswith("xbarsim: ")
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize("arguments", [(), ("--help",), *((name, "--help") for name in COMMANDS)])
def test_help_lists_what_there_is(xbarsim_command, arguments):
    code, out, err = xbarsim_command(*arguments)
    assert (code, err) == (0, "")
    assert "Usage: xbarsim" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_answers_without_heavy_imports():
    heavy = ["numpy", "numba", "pandas", "matplotlib", "scipy", "sklearn", "pydantic", "yaml", "onnx", "torch"]
    code = f"import sys, xbarsim.cli; xbarsim.cli.run(['--help']); print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_an_estimate_is_printed_without_what_simulates_or_makes_tables_and_figures():
    heavy = ["pandas", "pyarrow", "matplotlib", "sklearn", "onnx", "torch", "asyncio", "xbarsim.fleet"]
    heavy += ["xbarsim.mvm.engine", "xbarsim.inference", "xbarsim.crossbar.transfer"]
    code = "import sys, xbarsim.cli as c; c.run(['estimate', 'lenet5']); "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "energy per inference" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "xbarsim", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == xs.__version__


def test_simulate_passes_every_option_on(xbarsim_command, calls, images, tmp_path):
    code, out, err = xbarsim_command(
        "simulate", "net.onnx", "--hardware", "epim", "--data", images, "--calibration", images, "--mean", "0.5",
        "--std", "0.25", "--set", "adc.bits=6", "--set", "device.g_on_siemens=1e-5", "--layer", "layer1.*:adc.bits=7",
        "--images", "4", "--weight-bits", "6", "--activation-bits", "5", "--seed", "3", "--trials", "2",
        "--threads", "1", "--metric", "top5", "--json", tmp_path / "out.json", "--report", tmp_path / "page",
    )  # fmt: skip
    assert code == 0
    assert err.splitlines() == ["xbarsim: warning: images: hold nothing but 255; check how they were read"]
    assert calls["hardware"] == ["epim"]
    assert calls["overrides"] == [{"adc.bits": 6, "device.g_on_siemens": 1e-5}]
    given = calls["simulate"]
    names = ("layers", "trials", "seed", "threads", "weight_bits", "activation_bits", "metric")
    assert {key: given[key] for key in names} == {
        "layers": {"layer1.*": {"adc.bits": 7}}, "trials": 2, "seed": 3, "threads": 1, "weight_bits": 6,
        "activation_bits": 5, "metric": "top5",
    }  # fmt: skip
    np.testing.assert_allclose(given["images"], np.full((4, 3, 4, 4), 2.0))
    np.testing.assert_array_equal(given["labels"], np.arange(4))
    assert given["calibration"].shape == (10, 3, 4, 4)
    assert json.loads((tmp_path / "out.json").read_text())["accuracy"]["images"] == 200
    assert (tmp_path / "page" / "index.html").is_file()
    assert "wrote" in out


def test_simulate_prints_accuracy_cost_layers_and_components_in_80_columns(xbarsim_command, calls, images):
    _, out, _ = xbarsim_command("simulate", "net.onnx", "--data", images)
    for text in ("Accuracy over 200 images", "95 % interval", "lost", "41 uJ", "34 mm2", "EDAP", "conv1", "edram"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 80


def test_estimate_passes_every_option_on(xbarsim_command, calls, tmp_path):
    code, out, _ = xbarsim_command(
        "estimate", "resnet50", "--set", "crossbar.rows=64", "--layer", "fc:weight_bits=5", "--weight-bits", "3",
        "--activation-bits", "9", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert code == 0
    assert calls["hardware"] == ["reference"]
    assert calls["overrides"] == [{"crossbar.rows": 64}]
    assert calls["estimate"] | {"network": None} == {
        "network": None, "layers": {"fc": {"weight_bits": 5}}, "weight_bits": 3, "activation_bits": 9,
    }  # fmt: skip
    assert "Accuracy" not in out
    assert "assumed mean level 0.5" in out
    assert "accuracy" not in json.loads((tmp_path / "out.json").read_text())


def test_estimate_writes_a_trace_where_it_was_asked_to(xbarsim_command, tmp_path):
    code, out, _ = xbarsim_command("estimate", "lenet5", "--trace", tmp_path / "trace.json")
    assert code == 0
    assert "trace.json" in out
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    code, _, error = xbarsim_command("estimate", "lenet5", "--trace", tmp_path / "no" / "trace.json")
    assert code == 2
    assert one_line(error).startswith("xbarsim: --trace")


def test_demo_shows_both_chips_and_writes_their_pages(xbarsim_command, calls, tmp_path):
    code, out, _ = xbarsim_command("demo", "--report", tmp_path)
    assert code == 0
    assert calls["overrides"][0]["adc.bits"] == 5
    assert out.count("Accuracy over") == 2
    assert all((tmp_path / name / "index.html").is_file() for name in ("reference", "noisy"))


def test_compare_shows_difference_and_ratio(xbarsim_command, tmp_path):
    first = make_report().to_json(tmp_path / "a.json")
    document = json.loads(first.read_text())
    document["cost"]["energy_joule"] *= 2
    (tmp_path / "b.json").write_text(json.dumps(document))
    code, out, _ = xbarsim_command("compare", first, tmp_path / "b.json")
    assert code == 0
    energy = next(line for line in out.splitlines() if line.strip().startswith("energy"))
    assert energy.split() == ["energy", "[uJ]", "41.00", "82.00", "+41.00", "2.000"]
    assert "accuracy, hardware [%]" in out
    assert "adc.bits=6" in out


def test_compare_of_estimates_has_no_accuracy(xbarsim_command, tmp_path):
    path = make_cost_report().to_json(tmp_path / "a.json")
    code, out, _ = xbarsim_command("compare", path, path)
    assert code == 0
    assert "accuracy" not in out


def test_hardware_list_names_every_shipped_file(xbarsim_command):
    from xbarsim.config import list_hardware

    code, out, _ = xbarsim_command("hardware", "list")
    assert code == 0
    assert all(name in out for name in list_hardware())


def test_hardware_check_says_ok_or_names_key_value_and_file(xbarsim_command, tmp_path):
    assert xbarsim_command("hardware", "check", "reference")[1].startswith("hwconfigs/reference.yaml: ok")
    path = tmp_path / "mine.yaml"
    path.write_text("base: reference\nadc: {bits: 0}\n")
    code, _, err = xbarsim_command("hardware", "check", path)
    assert code == 2
    for part in ("adc.bits", "0", "mine.yaml"):
        assert part in one_line(err)


def test_hardware_schema_is_a_schema_that_allows_base(xbarsim_command):
    content = json.loads(xbarsim_command("hardware", "schema")[1])
    assert content["properties"]["base"]["type"] == "string"
    assert content["properties"]["adc"]
    assert "required" not in content


@pytest.mark.parametrize(
    "arguments",
    [
        "simulat", "simulate", "simulate net --wrong", "hardware", "compare a.json", "simulate net --trials two",
        "simulate net --trials 0", "simulate net --seed -1", "simulate net --images 0", "simulate net --images 11",
        "simulate net --set adc.bits", "simulate net --set =3", "simulate net --set a=[1",
        "simulate net --layer adc.bits=3", "simulate net --mean 0.5", "simulate net --mean x --std 1",

        "simulate net --mean 0,0 --std 1",
        "simulate net --mean 0 --std 0", "simulate net --mean nan --std 1",
        "simulate net --normalize mars",
        "simulate net --normalize imagenet --std 1", "simulate net --json /no/such/folder/out.json",
        "simulate net --json /", "simulate net --report /dev/null", "compare /no/a.json /no/b.json",
        "hardware check /no/such.yaml", "hardware show referense",
    ],
)  # fmt: skip
def test_wrong_input_ends_in_one_line_and_exit_code_2(xbarsim_command, calls, images, arguments):
    data = ["--data", images] if arguments.startswith("simulate net") else []
    code, out, err = xbarsim_command(*arguments.split(), *data)
    assert (code, out) == (2, "")
    one_line(err)
    assert "simulate" not in calls


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("a\nb"), 2), (MappingError("full"), 2), (SolverError("stuck"), 3), (KeyboardInterrupt(), 130)],
)
def test_exit_code_tells_who_must_act(xbarsim_command, calls, monkeypatch, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(sys.modules["xbarsim.api"], "estimate", fail)
    got, _, err = xbarsim_command("estimate", "net")
    assert got == code
    one_line(err)


def test_a_bug_keeps_its_traceback(calls, monkeypatch):
    monkeypatch.setattr(sys.modules["xbarsim.api"], "estimate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        xbarsim.cli.run(["estimate", "net"])


def test_version_is_the_packages(xbarsim_command):
    from xbarsim import __version__

    assert xbarsim_command("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6),
        ("1e-6", 1e-6),
        ("0.5", 0.5),
        ("auto", "auto"),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("1e3", 1000.0),
    ],
)
def test_values_read_as_in_a_hardware_file(text, value):
    parsed = _options.parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_globs_of_layers_may_hold_any_character_but_the_last_colon():
    assert _options.parse_layers(["a:b[12].*:adc.bits=7", "a:b[12].*:weight_bits=3"]) == {
        "a:b[12].*": {"adc.bits": 7, "weight_bits": 3}
    }


def test_epitomes_are_named_on_the_command_line_and_the_trace_shows_their_rounds(xbarsim_command, tmp_path):
    for wraps, rounds in (("false", 10), ("true", 5)):
        code, out, _ = xbarsim_command(
            "estimate", "resnet50", "--hardware", "epim", "--epitome", "layer[34].*:rows=1024,channels=256",
            "--weight-bits", "3", "--layer", "fc:weight_bits=5", "--set", f"epitome.output_wrapping={wraps}",
            "--trace", tmp_path / "trace.json",
        )  # fmt: skip
        assert code == 0
        assert "428" in out
        events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
        track = next(e for e in events if e["ph"] == "M" and e["args"]["name"] == "layer4.2.conv2")
        own = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (track["pid"], track["tid"])]
        assert sum(e["cat"] == "round" for e in own) == 49 * rounds
        assert {e["args"].get("rounds") for e in own if e["cat"] != "round"} == {rounds}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer4.*", "should be GLOB:KEY=VALUE"),
        ("layer4.*:rows=1024,chanels=9", "did you mean channels?"),
        ("layer4.*:rows=8,channels=4", "rows: 8 is too few for one 3 x 3 input channel; must be at least 9"),
        ("layer4.*:patch=32", "patch: 32 is not a pair"),
        (
            "layer4.*:rows=90,channels=8,patch=8x20",
            "patch: 20 input channels exceed those of the epitome; must be at most 10",
        ),
        ("layer4.*:rows=90,channels=8,patch=4x4,step=5x4", "step: 5 output channels leave gaps"),
        ("conv9:rows=90", "no convolution has this name"),
    ],
)
def test_an_epitome_that_does_not_fit_is_refused_in_one_line(xbarsim_command, text, message):
    code, _, error = xbarsim_command("estimate", "resnet18", "--epitome", text)
    assert code == 2
    assert message in one_line(error)


def test_quantize_writes_a_network_that_simulate_compares_with_its_float_original(xbarsim_command, tmp_path):
    pytest.importorskip("onnx")
    path, result = tmp_path / "q.onnx", tmp_path / "r.json"
    code, out, _ = xbarsim_command(
        "quantize", "digits", "--weight-bits", "3", "--images", "64", "--method", "least_squares", "--out", path
    )
    assert (code, out.splitlines()[-1]) == (0, f"wrote {path}")
    code, _, err = xbarsim_command(
        "simulate", path, "--reference", "digits", "--weight-bits", "3", "--images", "50", "--json", result
    )
    assert code == 0, err
    document = json.loads(result.read_text())
    code, *_ = xbarsim_command("simulate", "digits", "--images", "50", "--json", result)
    assert document["accuracy"]["reference"] == json.loads(result.read_text())["accuracy"]["reference"]
    assert document["provenance"]["settings"]["reference_hash"] == xs.load_network("digits").hash


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quantize", "digits", "--out", "q.txt"), "--out q.txt: should end in .onnx"),
        (("quantize", "lenet5", "--out", "q.onnx"), "has shapes but no weights"),
        (("quantize", "digits", "--method", "magic", "--out", "q.onnx"), "method: 'magic' is not one of nearest"),
        (("simulate", "digits", "--images", "2", "--reference", "resnet20"), "has shapes but no weights"),
    ],
)
def test_wrong_quantisation_is_refused_in_one_line(xbarsim_command, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = xbarsim_command(*arguments)
    assert code == 2
    assert message in one_line(err)


def test_quantize_writes_scales_by_token(xbarsim_command, tmp_path):
    pytest.importorskip("onnx")
    net = NetworkBuilder("tokens", (5, 4))
    net.add("linear", "up", settings={"features": 6})
    net.add("linear", "down", settings={"features": 3})
    file = write_onnx(xs.load_network(net.build(), weights="random"), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", images=np.random.default_rng(0).normal(size=(16, 5, 4)).astype(np.float32))
    code, _, err = xbarsim_command(
        "quantize", file, "--data", tmp_path / "data.npz", "--images", "16", "--method", "nearest", "--token-scales",
        "down", "--out", tmp_path / "out.onnx",
    )  # fmt: skip
    assert (code, err) == (0, "")
    network = xs.load_network(tmp_path / "out.onnx")
    assert [node.kind for node in network.nodes].count("peak") == 1
    assert [layer.attributes["weight_bits"] for layer in network.layers] == [8, 8]


def test_two_results_are_compared_in_their_metric(xbarsim_command, tmp_path):
    for name, value in (("a", 8.0), ("b", 9.5)):
        metric = {"name": "perplexity", "reference": 7.0, "quantized": None, "hardware": value, "unit": ""}
        document = {"accuracy": None, "metric": {**metric, "degradation": value - 7.0}, "cost": {"cycles": 4}}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    code, out, _ = xbarsim_command("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert code == 0
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in out.splitlines() if "perplexity" in line}
    assert rows["perplexity, hardware"] == ["8.000", "9.500", "+1.500", "1.188"]
    assert rows["perplexity, quantized"] == ["-"] * 4
    assert rows["perplexity lost"] == ["1.000", "2.500", "+1.500", "2.500"]


def test_hardware_keys_prints_what_a_glob_names_or_says_what_is_near(xbarsim_command):
    code, out, _ = xbarsim_command("hardware", "keys", "device.iv.*")
    assert code == 0
    assert "device.iv.scale_volt" in out
    assert "crossbar.rows" not in out
    assert out.count("device.iv.reference_volt") == 3  # of each form
    code, _, err = xbarsim_command("hardware", "keys", "adc.bitz")
    assert (code, err.strip()) == (2, "xbarsim: adc.bitz: no key has this name; did you mean adc.bits?")


def test_hardware_diff_shows_and_writes_the_keys_that_differ(tmp_path, capsys):
    file, out = tmp_path / "mine.yaml", tmp_path / "diff.json"
    file.write_text("base: reference\nname: mine\nadc: {bits: 6}\n")
    assert xbarsim.cli.run(["hardware", "diff", "reference", str(file), "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "adc.bits" in shown
    assert "crossbar.rows" not in shown
    assert json.loads(out.read_text())["keys"] == [{"key": "adc.bits", "first": 8, "second": 6}]
    assert xbarsim.cli.run(["hardware", "diff", "reference", str(file), "--set", "adc.bits=5"]) == 0
    assert "same keys and values" in capsys.readouterr().out
    assert xbarsim.cli.run(["hardware", "diff", "reference", "isacc"]) == 2
