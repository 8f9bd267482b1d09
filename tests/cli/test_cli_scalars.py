"""The same scalars are refused wherever they are written: hardware, sweep and search files, oracle lines, options."""

import io
import json
import time

import pytest

import xbarsim.cli

WRONG = [
    ("adc.bits", "yes"), ("adc.bits", "true"), ("adc.bits", "'6'"), ("adc.bits", "010"), ("adc.bits", "6.5"),
    ("crossbar.r_wl_ohm", "on"), ("crossbar.r_wl_ohm", "1:30"), ("crossbar.r_wl_ohm", "true"),
    ("crossbar.r_wl_ohm", ".inf"), ("crossbar.r_wl_ohm", "1e400"), ("crossbar.rows", "0100"), ("crossbar.rows", "1_0"),
    ("crossbar.rows", "64.5"), ("crossbar.rows", "1e30"), ("adc.output_correction", "yes"),
    ("adc.output_correction", "1"), ("timing.clock_hz", "2026-01-01"), ("mapping.slices", "on"),
]  # fmt: skip


def place(key, text):
    """Return the value of a file in which a dotted key has a value."""
    section, _, name = key.partition(".")
    return f"{section}: {{{name}: {text}}}"


def write(folder, text):
    path = folder / "file.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def refuse(xbarsim_command):
    """Run a command that must be refused at once: exit code 2 and one short line that names a text."""

    def run(*arguments, name):
        started = time.monotonic()
        code, out, err = xbarsim_command(*arguments)
        assert code == 2, (out, err)
        assert err.count("\n") == 1
        assert len(err) <= 401
        assert name in err
        assert time.monotonic() - started < 5
        return err

    return run


def told(key, text):
    return "leading zero" if text.startswith("0") and text[1].isdigit() else key


@pytest.mark.parametrize(("key", "text"), WRONG)
def test_a_wrong_scalar_in_a_hardware_file(key, text, tmp_path, refuse):
    path = write(tmp_path, f"base: reference\n{place(key, text)}\n")
    refuse("hardware", "check", path, name=told(key, text))


@pytest.mark.parametrize(("key", "text"), WRONG)
def test_a_wrong_scalar_on_the_command_line(key, text, refuse):
    refuse("estimate", "digits", "--set", f"{key}={text}", name=told(key, text))
    refuse("estimate", "digits", "--layer", f"*:{key}={text}", name=told(key, text))


@pytest.mark.parametrize(("key", "text"), WRONG)
def test_a_wrong_scalar_in_a_sweep_file(key, text, tmp_path, refuse):
    for line in (f"set: {{{key}: {text}}}", f"axes: {{{key}: [{text}]}}", f"layers: {{'*': {{{key}: {text}}}}}"):
        path = write(tmp_path, f"network: digits\n{line}\n")
        refuse("sweep", path, "--out", tmp_path / "out", "--dry-run", name=told(key, text))


@pytest.mark.parametrize(("key", "text"), WRONG)
def test_a_wrong_scalar_in_a_search_file(key, text, tmp_path, refuse):
    path = write(tmp_path, f"network: digits\nspace: {{'*': {{array: [32, 64]}}}}\nset: {{{key}: {text}}}\n")
    refuse("search", "nax", path, "--out", tmp_path / "out", name=told(key, text))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("adc.bits", "yes"), ("adc.bits", True), ("adc.bits", "6"), ("adc.bits", 6.5), ("crossbar.r_wl_ohm", "on"),
        ("crossbar.r_wl_ohm", "1:30"), ("crossbar.rows", "0100"), ("adc.output_correction", 1), ("crossbar.rows", 1e30),
    ],
)  # fmt: skip
def test_a_wrong_scalar_in_a_line_of_the_oracle(key, value, monkeypatch, xbarsim_command):
    shape = {"in_features": 8, "out_features": 8, "vectors": 1}
    lines = [
        {"id": 1, "layer": "linear", "shape": shape, "choice": {key: value}},
        {"id": 2, "network": "digits", "layers": {"*": {key: value}}},
        {"id": 3, "network": "digits", "accuracy": {"data": "digits", "images": 8, "seed": 1.5}},
        {"id": 4, "network": "digits", "accuracy": {"data": "digits", "images": 8, "trials": 10**9}},
        {"id": 5, "layer": "linear", "shape": shape, "choice": {"x" * 10**6: value}},
    ]

    class Input:
        buffer = io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode())

    monkeypatch.setattr("sys.stdin", Input)
    code, out, _ = xbarsim_command("oracle", "--cache", "none")
    assert code == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2, 3, 4, 5]
    for answer, name in zip(answers, (key, key, "seed", "trials", "xxx")):
        assert name in answer["error"]
        assert len(answer["error"]) <= 400


@pytest.mark.parametrize("seed", ["1.5", "-1", "yes", "0x1", "9223372036854775808", "true"])
def test_a_seed_that_is_not_whole_is_refused_everywhere(seed, tmp_path, refuse):
    refuse("simulate", "digits", "--images", "4", "--seed", seed, name="seed")
    if seed != "0x1":  # a whole number in YAML
        for kind, text in (("sweep", "axes: {adc.bits: [5]}"), ("search", "space: {'*': {array: [32, 64]}}")):
            path = write(tmp_path, f"network: digits\n{text}\nseed: {seed}\n")
            refuse(*([kind] if kind == "sweep" else [kind, "nax"]), path, "--out", tmp_path / "out", name="seed")
        design = f"{{kind: random, points: 2, seed: {seed}}}"
        path = write(tmp_path, f"network: digits\naxes: {{adc.bits: [5]}}\ndesign: {design}\n")
        refuse("sweep", path, "--out", tmp_path / "out", name="seed")


@pytest.mark.parametrize(
    ("axes", "name"),
    [
        ("{adc.bits: {from: 1, to: 20000000, step: 1}}", "20,000,000 values"),
        ("{crossbar.r_wl_ohm: {from: 0, to: 1, step: 1e-9}}", "1,000,000,000 values"),
        ("{crossbar.r_wl_ohm: {from: 0, to: 1, count: 1000000000}}", "1,000,000,000 values"),
        ("{crossbar.r_wl_ohm: {from: 1e-20, to: 1e20, factor: 1.0000000001}}", "values"),
        ("{crossbar.r_wl_ohm: {from: 0, to: 1e30, step: 1e-30}}", "values"),
        ("{crossbar.r_wl_ohm: {from: 0, to: 1e31, step: 1}}", "r_wl_ohm.to"),
        ("{adc.bits: {from: 1, to: 1000000000}}", "values"),
        (
            "{crossbar.r_wl_ohm: {from: 0, to: 1, count: 2000}, crossbar.r_bl_ohm: {from: 0, to: 1, count: 2000}}",
            "4,000,000",
        ),
    ],
)
def test_ranges_of_too_many_points_are_refused_before_they_are_built(axes, name, tmp_path, refuse):
    refuse("sweep", write(tmp_path, f"network: lenet5\naxes: {axes}\n"), "--out", tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("crossbar.rows=1", "arrays"), ("chip.tiles=1000000000", "tiles"), ("chip.count=1000000000", "tiles"),
        ("timing.read_cycles=9223372036854775807", "cycles"), ("timing.clock_hz=1e300", "clock_hz"),
        ("device.read_volt=1e200", "read_volt"), ("components.adc.kind=[1]", "kind"),
    ],
)  # fmt: skip
def test_hardware_of_impossible_size_is_refused(option, name, refuse):
    network = "vgg16" if name == "arrays" else "lenet5"
    refuse("estimate", network, "--set", option, *(["--set", "crossbar.cols=2"] * (name == "arrays")), name=name)


def test_too_many_trials_and_threads_are_refused(refuse, tmp_path):
    refuse("simulate", "digits", "--trials", "1000000000", name="--trials")
    refuse("simulate", "digits", "--threads", "1000000000", name="--threads")
    refuse("sweep", write(tmp_path, "network: digits\ntrials: 1000000000\n"), "--out", tmp_path / "out", name="trials")


def test_images_and_chips_beyond_the_memory_are_refused(refuse, monkeypatch):
    monkeypatch.setattr("xbarsim.limits.find_memory", lambda: 10_000)
    refuse("simulate", "digits", "--images", "4", name="GB of memory")


def test_the_shared_files_are_refused_at_once(shared, refuse, tmp_path):
    for name, text in (
        ("laughs_6", "values"), ("laughs_9", "values"), ("octal_base60", "leading zero"), ("yes_no", "r_wl_ohm"),
    ):  # fmt: skip
        refuse("hardware", "check", shared / "cases" / "yaml" / f"{name}.yaml", name=text)
    for kind in (["sweep"], ["search", "nax"], ["search", "epitome"]):
        refuse(*kind, shared / "cases" / "yaml" / "laughs_9.yaml", "--out", tmp_path / "out", name="values")
    refuse("sweep", shared / "cases" / "yaml" / "huge_grid.yaml", "--out", tmp_path / "out", name="values")
    assert xbarsim.cli.run(["hardware", "check", str(shared / "cases" / "yaml" / "partial_with_base.yaml")]) == 0
