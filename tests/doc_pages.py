"""Runs the code blocks of a page of the documentation, in order, in the current folder.

Blocks that name a file are written, other Python is executed, and commands end with exit code 0. What a page shows as
printed (``text``) is compared with what the block before it prints. Nothing but the standard library is imported:
``python tests/doc_pages.py PAGE`` checks a page in any environment.
"""

import contextlib
import io
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

BACKGROUND = []
"""Commands that end with an ampersand; they are stopped at the end of the page."""
NUMBER = r"(?<![A-Za-z_])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def blocks_of(text):
    """Yield the kind and the content of every fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(2)


def is_alike(shown, printed):
    """Tell whether two texts have the same words, and numbers within 2 % (or 0.02 if they have no exponent)."""
    words = ["".join(re.split(NUMBER, text)).split() for text in (shown, printed)]
    left, right = (re.findall(NUMBER, text) for text in (shown, printed))
    return (words[0], len(left)) == (words[1], len(right)) and all(
        math.isclose(float(one), float(two), rel_tol=0.02, abs_tol=0 if "e" in one else 0.02)
        for one, two in zip(left, right, strict=True)
    )


def run_command(line, program):
    """Run one line of a console block; return what it prints."""
    assert line.startswith("$ "), f"{line}: a command begins with a dollar sign"
    line = line[2:]
    if line.endswith(" &"):
        BACKGROUND.append(subprocess.Popen(shlex.split(line[:-2]), stderr=subprocess.DEVNULL))
        return ""
    if line.startswith("xbarsim ") and not set("|<>&") & set(line):
        done = subprocess.run([*program, *shlex.split(line)[1:]], capture_output=True, text=True)
    else:
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_page(page, program=("xbarsim",)):
    """Run a page in the current folder; return the number of its blocks and the names that its Python has defined."""
    try:
        return run_blocks(Path(page), program)
    finally:
        for process in BACKGROUND:
            process.terminate()
        while BACKGROUND:
            BACKGROUND.pop().wait()


def run_blocks(page, program):
    """Run the blocks of a page; leave commands in the background running."""
    scope, count, printed = {"__name__": "__main__"}, 0, ""
    for kind, content in blocks_of(page.read_text()):
        file = re.match(r"(?:#|//) file: (\S+)\n", content)
        if file:
            Path(file.group(1)).write_text(content)
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(content, f"{page.name} block {count}", "exec"), scope)
            printed = stream.getvalue()
        elif kind == "text":
            assert is_alike(content, printed), f"the page shows\n{content}\nbut the block before it prints\n{printed}"
        elif kind == "console":
            printed = "".join(run_command(line, program) for line in content.splitlines())
        else:
            assert kind != "yaml", "a yaml block says which file it is"
        count += 1
    return count, scope


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    count, _ = run_page(sys.argv[1])
    print(f"{count} blocks")
