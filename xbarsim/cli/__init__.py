"""The command line: parses arguments, calls :mod:`xbarsim.api`, and prints results.

Large packages are imported only when a command runs. Wrong input gives one line on stderr and exit code 2, a
computation that could not finish exit code 3. Any other exception is a bug and is shown with its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from xbarsim.cli import (
    _options,
    compare,
    demo,
    estimate,
    explain,
    finetune,
    hardware,
    network,
    oracle,
    quantize,
    report,
    search,
    simulate,
    sweep,
)
from xbarsim.errors import SolverError, XbarsimError, shorten_message

_USAGE_ERROR: Any = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def build_command() -> Any:
    """Assemble the command line from its subcommands, one file each; each of them takes ``--plugin``."""
    app = typer.Typer(
        name="xbarsim",
        help="Simulate neural networks on memristive crossbars and processing-in-memory chips.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_take_options)
    for command in (
        demo.demo, simulate.simulate, explain.explain, estimate.estimate, compare.compare, sweep.sweep, report.report,
        oracle.oracle, finetune.finetune, quantize.quantize,
    ):  # fmt: skip
        app.command()(command)
    app.add_typer(hardware.app, name="hardware")
    app.add_typer(network.app, name="network")
    app.add_typer(search.app, name="search")
    command = typer.main.get_command(app)
    plugin = next(option for option in command.params if option.name == "plugin")
    _add_option(command, plugin)
    return command


def _add_option(command: Any, option: Any) -> None:
    """Give an option to every command below a group."""
    for child in getattr(command, "commands", {}).values():
        child.params.append(option)
        _add_option(child, option)


def _show_version(wanted: bool) -> None:
    if wanted:
        from xbarsim import __version__

        typer.echo(__version__)
        raise typer.Exit


def _take_options(
    plugin: _options.Plugin = [],  # noqa: B006 (typer copies it)
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Hold the options that stand before a subcommand."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str
        What follows the program's name.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong input, 3 a computation could not finish, 130 interrupted.
    """
    _show_warnings_in_one_line()
    try:
        code = build_command()(list(arguments) or ["--help"], standalone_mode=False, prog_name="xbarsim") or 0
        return _fail("interrupted", 130) if code == 130 else code
    except _USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        return _fail(f"{error.format_message()}{hint}", 2)
    except SolverError as error:
        return _fail(str(error), 3)
    except XbarsimError as error:
        return _fail(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left, as in `xbarsim ... | head`
        return 0


def main() -> None:
    """Run the command line of this process; the entry point of the installed program."""
    sys.exit(run(sys.argv[1:]))


def _fail(message: str, code: int) -> int:
    typer.echo(shorten_message(f"xbarsim: {message}"), err=True)
    return code


def _show_warnings_in_one_line() -> None:
    import warnings

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        typer.echo(shorten_message(f"xbarsim: warning: {message}"), err=True)

    warnings.showwarning = show  # type: ignore[assignment]
