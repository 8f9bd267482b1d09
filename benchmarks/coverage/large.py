"""Load and estimate networks of the size of BERT-base, ViT-B/16 and GPT-2, with random weights, beside ONNX Runtime.

usage: python benchmarks/coverage/large.py [FOLDER] [--hardware NAME] [--only NAME]

Exports each network with PyTorch to FOLDER (a temporary one if left out; a file that exists is kept), checks it in a
process of its own as ``exports.py`` does, and prints a table. The bound on memory at load is 2 GB, and four times the
file plus 200 MB. Exit status 1 where a bound or equality fails. Needs torch, onnx and onnxruntime, 1.5 GB of disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from exports import check_apart

LARGEST = 2e9


def make_modules() -> dict[str, Any]:
    """Return name -> function that returns a PyTorch module and an example of its input."""
    import torch
    from torch import nn

    class Block(nn.Module):
        """Attention and two fully connected layers, normalised before or behind."""

        def __init__(self, width: int, heads: int, *, first: bool, causal: bool) -> None:
            super().__init__()
            self.heads, self.first, self.causal = heads, first, causal
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

        def attend(self, x: Any) -> Any:
            images, tokens, width = x.shape
            qkv = self.qkv(x).reshape(images, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            q, k, v = qkv[0], qkv[1], qkv[2]
            scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5
            if self.causal:
                mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()
                scores = scores.masked_fill(~mask, -1e4)
            y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(images, tokens, width)
            return self.out(y)

        def feed(self, x: Any) -> Any:
            return self.down(torch.nn.functional.gelu(self.up(x)))

        def forward(self, x: Any) -> Any:
            if self.first:
                x = x + self.attend(self.norm1(x))
                return x + self.feed(self.norm2(x))
            x = self.norm1(x + self.attend(x))
            return self.norm2(x + self.feed(x))

    class Text(nn.Module):
        """Embedded tokens, blocks, and a vector of classes for the first token or of the next word for each."""

        def __init__(self, words: int, tokens: int, width: int, *, first: bool, causal: bool, classes: int) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(words, width), nn.Embedding(tokens, width)
            blocks = [Block(width, 12, first=first, causal=causal) for _ in range(12)]
            self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(width)
            self.head = nn.Linear(width, classes or words, bias=bool(classes))
            self.classes = classes
            if not classes:
                self.head.weight = self.word.weight

        def forward(self, tokens: Any) -> Any:
            x = self.word(tokens) + self.place(torch.arange(tokens.shape[1]))
            x = self.norm(self.blocks(x))
            return self.head(x[:, 0] if self.classes else x)

    class Patches(nn.Module):
        """ViT-B/16."""

        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, 768, 16, 16)
            self.token = nn.Parameter(torch.randn(1, 1, 768) * 0.02)
            self.place = nn.Parameter(torch.randn(1, 197, 768) * 0.02)
            blocks = [Block(768, 12, first=True, causal=False) for _ in range(12)]
            self.blocks, self.norm, self.head = nn.Sequential(*blocks), nn.LayerNorm(768), nn.Linear(768, 1000)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
            return self.head(self.norm(self.blocks(x))[:, 0])

    def words(tokens: int) -> Any:
        return torch.randint(0, 100, (2, tokens))

    return {
        "bert_base": lambda: (Text(30522, 128, 768, first=False, causal=False, classes=2), words(128)),
        "vit_b16": lambda: (Patches(), torch.randn(2, 3, 224, 224)),
        "gpt2_small": lambda: (Text(50257, 64, 768, first=True, causal=True, classes=0), words(64)),
    }


def export(path: Path, make: Any) -> None:
    """Write a module as ONNX with a free batch."""
    import torch

    torch.manual_seed(0)
    module, example = make()
    torch.onnx.export(
        module.eval(), (example,), str(path), input_names=["x"], output_names=["y"], opset_version=17, dynamo=False,
        dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
    )  # fmt: skip


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print("| network | file, MB | peak at load, MB | bound, MB | seconds | layers | GMAC | difference | mJ |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, make in make_modules().items():
            if not name.startswith(given.only):
                continue
            path = folder / f"{name}.onnx"
            if not path.is_file():
                export(path, make)
            found = check_apart(path, given.hardware)
            if "difference" not in found:
                print(f"{name}: {found['state']}: {found['reason']}")
                wrong += 1
                continue
            size, peak = found["bytes"], found["peak_bytes"]
            bound = min(LARGEST, 4 * size + 200e6)
            wrong += found["state"] != "equal" or peak > bound
            print(
                f"| {name} | {size / 1e6:.0f} | {peak / 1e6:.0f} | {bound / 1e6:.0f} | {found['seconds']:.1f} | "
                f"{found['layers']} | {found['macs'] / 1e9:.1f} | {found['difference']:.1e} | "
                f"{found['energy_joule'] * 1e3:.2f} |",
                flush=True,
            )
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
