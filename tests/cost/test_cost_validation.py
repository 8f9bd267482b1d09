"""docs/validation.md is what benchmarks/validation writes, and no claimed figure is missed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_validation_page_is_up_to_date_and_nothing_claimed_is_missed(tmp_path):
    page = tmp_path / "validation.md"
    command = [sys.executable, ROOT / "benchmarks" / "validation" / "write.py", page]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.read_text(encoding="utf-8") == (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
