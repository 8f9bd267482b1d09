"""Print the requirements of the package and of its tests with every lower bound of ``setup.cfg`` pinned.

``python packaging/lowest.py > lowest.txt``; ``make test-lowest`` installs and tests them. Tools that check the source
are left out: they are no part of what users install.
"""

import configparser
import re
from pathlib import Path

PARTS = ("test", "onnx", "search", "cluster")
TOOLS = ("ruff", "mypy", "import-linter", "setuptools", "types-PyYAML", "pandas-stubs")


def pin_lowest(path: Path) -> list[str]:
    """Return one line for each requirement that has a lower bound."""
    config = configparser.ConfigParser()
    config.read(path)
    texts = [config["options"]["install_requires"], *(config["options.extras_require"][name] for name in PARTS)]
    lines = dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip())
    return [line.replace(">=", "==") for line in lines if re.split(r"[\[>=]", line)[0] not in TOOLS]


if __name__ == "__main__":
    print("\n".join(pin_lowest(Path(__file__).parent.parent / "setup.cfg")))  # noqa: T201
