"""The house keeps its rules: import order, docstrings, no stray prints, one place for compile flags."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "xbarsim"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 400


def read(path):
    """Parse one source file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path):
    """Name a file relative to the repository."""
    return path.relative_to(ROOT).as_posix()


def public_functions(path):
    """Yield (qualified name, function, True for a method) of what a file offers to others."""
    for node in read(path).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            yield node.name, node, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    yield f"{node.name}.{item.name}", item, True


def documented_parameters(docstring):
    """Return the names under Parameters of a numpydoc docstring, None where there is no such section."""
    text = inspect.cleandoc(docstring)
    match = re.search(r"^(?:Other )?Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", text, re.M | re.S)
    if match is None:
        return None
    heads = [line.split(" : ")[0] for line in match[1].splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def signature_parameters(function, is_method):
    """Return the names of a function's parameters without self and cls."""
    given = function.args
    names = [item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [item.arg for item in (given.vararg, given.kwarg) if item is not None]
    static = any(getattr(item, "id", "") == "staticmethod" for item in function.decorator_list)
    return names[1:] if is_method and not static else names


def is_kernel(function):
    """Tell whether a function is compiled: its wrapper documents it."""
    names = {getattr(item, "id", getattr(getattr(item, "func", None), "id", "")) for item in function.decorator_list}
    return bool(names & {"kernel", "separate_kernel", "parallel_kernel", "inlined"})


def is_typer_command(path):
    """Tell whether a file holds commands, whose options carry their own help."""
    return path.parent.name == "cli" and not path.name.startswith("_")


def test_the_check_of_docstrings_sees_names_types_and_pairs():
    text = """Do.

    Parameters
    ----------
    g, v : array_like, (rows, cols)
        Text : with a colon.
    *key : int
        More.

    Returns
    -------
    x : int
        No parameter.
    """
    assert documented_parameters(text) == ["g", "v", "key"]
    assert documented_parameters("Do.") is None


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_docstrings_agree_with_signatures(path):
    wrong = []
    for name, function, is_method in public_functions(path):
        docstring = ast.get_docstring(function)
        if not docstring:
            wrong.append(f"{name}: no docstring")
            continue
        documented = documented_parameters(docstring)
        if documented is None or is_kernel(function) or is_typer_command(path):
            continue
        expected = signature_parameters(function, is_method)
        if sorted(documented) != sorted(expected):
            wrong.append(f"{name}: documents {documented}, takes {expected}")
    assert not wrong, f"{shown(path)}: " + "; ".join(wrong)


def test_what_rooms_offer_documents_every_parameter():
    """A function re-exported by its room needs a Parameters section as soon as it has parameters."""
    wrong = []
    for room in sorted(path.parent for path in PACKAGE.glob("*/__init__.py")):
        exported = {
            alias.asname or alias.name
            for node in read(room / "__init__.py").body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for path in sorted(path for path in room.glob("*.py") if not is_typer_command(path)):
            for name, function, is_method in public_functions(path):
                docstring = ast.get_docstring(function) or ""
                takes = signature_parameters(function, is_method)
                if name in exported and takes and documented_parameters(docstring) is None:
                    wrong.append(f"{shown(path)}: {name}")
    assert not wrong, "no Parameters section: " + ", ".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_module_opens_with_what_it_is(path):
    assert ast.get_docstring(read(path)) or not path.read_text().strip()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "cli"], ids=shown)
def test_nothing_outside_the_command_line_prints_or_sets_up_logging(path):
    calls = [
        f"line {node.lineno}: {ast.unparse(node.func)}"
        for node in ast.walk(read(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "logging.basicConfig", "sys.stdout.write"}
    ]
    assert not calls


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "_numba.py"], ids=shown)
def test_compile_flags_are_chosen_in_one_place(path):
    flags = {"njit", "jit", "vectorize", "guvectorize", "cfunc"}
    for node in ast.walk(read(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "numba":
            assert not flags & {alias.name for alias in node.names}
        if isinstance(node, ast.Attribute) and node.attr in flags:
            assert ast.unparse(node.value) not in {"numba", "nb"}


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "rng.py"], ids=shown)
def test_random_numbers_come_from_named_streams(path):
    for node in ast.walk(read(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert not re.match(r"(np|numpy)\.random\.(?!Generator|Philox)", name), f"line {node.lineno}: {name}"


def test_rooms_import_only_rooms_below_them():
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("module", ["xbarsim", "xbarsim.cli"])
def test_importing_the_front_door_is_light(module):
    heavy = ["numba", "pandas", "matplotlib", "scipy", "sklearn", "onnx", "torch"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_shipped_hardware_file_loads_and_names_its_sources():
    from xbarsim.config import list_hardware, load_hardware

    names = list_hardware()
    assert "reference" in names
    for name in names:
        hardware = load_hardware(name)
        assert hardware.name == name
        assert hardware.description
        assert all(component.source for component in hardware.components.values())


def test_every_room_ships():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    packages = (ROOT / "setup.cfg").read_text()
    assert {room for room in rooms if f"    xbarsim.{room}\n" not in packages} == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as a wheel, built from a copy: a build folder left in the tree would be packed too."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("xbarsim", "hwconfigs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_hardware_networks_and_the_page(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"xbarsim/hwconfigs/{path.relative_to(ROOT / 'hwconfigs')}" for path in (ROOT / "hwconfigs").rglob("*.yaml")
    }
    for folder, pattern in (("network/zoo", "*"), ("data", "*.npz"), ("report", "*.html"), (".", "py.typed")):
        expected |= {path.relative_to(ROOT).as_posix() for path in (PACKAGE / folder).glob(pattern) if path.is_file()}
    assert expected - inside == set()


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_outside_the_tree(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(dependencies))  # behind the environment's own packages
    code = "import sys, xbarsim.cli; print(xbarsim.__file__, file=sys.stderr); sys.exit(xbarsim.cli.run(['demo']))"
    result = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(site) in result.stderr
    assert "on this hardware" in result.stdout
    assert (tmp_path / "demo-report" / "noisy" / "index.html").is_file()
