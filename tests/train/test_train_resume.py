"""Training that is stopped, killed or started again ends with the bits of an undisturbed run."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
import xbarsim.cli
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, Interrupted
from xbarsim.train import resume, torch_network, tune, tuning

COMMAND = ["finetune", "digits", "--set", "device.programming.sigma=0.3", "--images", "300", "--epochs", "3"]


@pytest.fixture(scope="module")
def digits():
    """Training digits, normalised, with labels."""
    data = load_data("digits-train")
    return normalize_images(data.images)[:96], data.labels[:96]


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    """Keep a state behind every step, and choose with few steps."""
    monkeypatch.setattr(resume, "INTERVAL_S", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)
    monkeypatch.setattr(tuning, "LEAST_TRIED", 1)
    monkeypatch.setattr(tuning, "MOST_TRIED", 10.0)


class Stopping:
    """Raises at the n-th call, and counts."""

    def __init__(self, at, function, error=KeyboardInterrupt):
        self.at, self.function, self.error, self.count = at, function, error, 0

    def __call__(self, *arguments, **settings):
        self.count += 1
        if self.count == self.at:
            raise self.error
        return self.function(*arguments, **settings)


def train(digits, folder, **settings):
    hardware = xs.load_hardware("reference", {"device.programming.sigma": 0.3, "crossbar.method": "ideal"})
    settings = {"epochs": 2, "shift": 1, "calibration": digits[0][:16], **settings}
    return tune("digits", hardware, *digits, checkpoint=folder, **settings)


def test_a_training_that_was_stopped_anywhere_ends_with_the_same_bits(digits, tmp_path, monkeypatch):
    whole = train(digits, None)
    step = xs.train.trainer.TrainingRun._step
    stopping = Stopping(10**9, step)
    monkeypatch.setattr(xs.train.trainer.TrainingRun, "_step", lambda self, *a: stopping(self, *a))
    for at in (1, 5, 3):  # before anything is done, between choices, and in the last run
        stopping.count, stopping.at = 0, at
        with pytest.raises(Interrupted, match=r"steps of training are kept; the same command resumes it"):
            train(digits, tmp_path / "kept")
    stopping.at = 0
    again = train(digits, tmp_path / "kept")
    assert again.network.hash == whole.network.hash
    assert again.tried == whole.tried
    assert len(whole.tried) == 6
    stopping.count, stopping.at = 0, 1
    assert train(digits, tmp_path / "kept").network.hash == whole.network.hash  # nothing is left to do


def test_a_folder_of_another_training_is_refused(digits, tmp_path):
    settings = {"strength": 1.0, "law": "measured", "epochs": 1}
    train(digits, tmp_path / "kept", **settings)
    with pytest.raises(ConfigError, match=r"holds a training with seed 0, this one has 1; choose another folder"):
        train(digits, tmp_path / "kept", seed=1, **settings)
    other = (digits[0], (digits[1] + 1) % 10)
    with pytest.raises(ConfigError, match="holds a training with images"):
        train(other, tmp_path / "kept", **settings)
    (tmp_path / "kept" / "state.pt").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ConfigError, match=r"state\.pt: damaged .*; remove it to train from the start"):
        train(digits, tmp_path / "kept", **settings)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"holds thesis\.tex and no training; choose an empty folder"):
        train(digits, tmp_path / "full", **settings)


@pytest.mark.parametrize("calls", [1, 2, 12])
def test_a_signal_in_the_middle_of_a_state_stays_one(calls, monkeypatch):
    class Stopped(io.BytesIO):
        def write(self, content):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == calls:
                raise KeyboardInterrupt
            return super().write(content)

    monkeypatch.setattr(torch_network.io, "BytesIO", Stopped)
    with pytest.raises(KeyboardInterrupt):
        torch_network.write_state({"a": torch_network.torch.zeros(9)})


def test_the_command_removes_its_own_folder_and_keeps_a_given_one(tmp_path, capsys):
    out = tmp_path / "a.onnx"
    command = [*COMMAND, "--images", "64", "--epochs", "1", "--law", "uniform", "--strength", "1"]
    assert xbarsim.cli.run([*command, "--out", str(out)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert xbarsim.cli.run([*command, "--out", str(tmp_path / "b.onnx"), "--checkpoint", str(tmp_path / "kept")]) == 0
    assert (tmp_path / "kept" / "state.pt").exists()
    assert out.read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert "used: uniform noise of strength 1" in capsys.readouterr().out


def start(folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    code = (
        "import sys; from xbarsim.train import resume, tuning; resume.INTERVAL_S = 0.0; resume.SHARE = 1e9; "
        "tuning.LEAST_TRIED = 1; tuning.MOST_TRIED = 10.0; from xbarsim.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *COMMAND, "--out", "a.onnx"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_training_killed_again_and_again_writes_the_file_of_an_undisturbed_one(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    running = start(tmp_path / "whole")
    assert running.wait() == 0, running.stderr.read()
    rng, kills, state = np.random.default_rng(0), 0, tmp_path / "killed" / "a.onnx.training" / "state.pt"
    while kills < 6:
        running = start(tmp_path / "killed")
        before = state.stat().st_mtime_ns if state.exists() else 0
        while running.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        if running.poll() is not None:
            break
        running.send_signal(signal.SIGKILL)
        running.wait()
        kills += 1
    assert kills >= 4
    running = start(tmp_path / "killed")
    assert running.wait() == 0, running.stderr.read()
    assert (tmp_path / "killed" / "a.onnx").read_bytes() == (tmp_path / "whole" / "a.onnx").read_bytes()
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["a.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_with_what_is_kept_said(number, tmp_path):
    running = start(tmp_path)
    state = tmp_path / "a.onnx.training" / "state.pt"
    while not state.exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(number)
    err = running.stderr.read().decode()
    assert running.wait() == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], err
    last = err.splitlines()[-1]
    assert last.startswith(("xbarsim: interrupted; a.onnx.training: ", "xbarsim: terminated; a.onnx.training: "))
    assert last.endswith("steps of training are kept; the same command resumes it")
    assert state.exists()
