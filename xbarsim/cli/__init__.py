"""The command line: parses arguments, calls :mod:`xbarsim.api`, and prints results.

Large packages are imported only when a command runs. Wrong input gives one line on stderr and exit code 2, a
computation that could not finish exit code 3. Any other exception is a bug and is shown with its traceback.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from xbarsim.cli import (
    _options,
    _volume,
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
from xbarsim.cli._progress import ProgressDisplay as ProgressDisplay
from xbarsim.errors import ConfigError, Interrupted, SolverError, XbarsimError, shorten_message

_USAGE_ERROR: Any = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def build_command() -> Any:
    """Assemble the command line from its subcommands, one file each; all take ``--plugin``, ``-q`` and ``-v``."""
    app = typer.Typer(
        name="xbarsim",
        help="Simulate neural networks on memristive crossbars and processing-in-memory chips.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
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
    for option in command.params:
        if option.name in ("plugin", "quiet", "verbose"):
            _add_option(command, option)
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
    quiet: _volume.Quiet = False,
    verbose: _volume.Verbose = False,
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
        Exit code: 0 done, 2 wrong input or a place that cannot be written, 3 a computation or its output could not
        finish, 130 interrupted (SIGINT), 143 terminated (SIGTERM).
    """
    _show_warnings_in_one_line()
    _stopped.clear()
    _volume.reset_volume()
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_output()
        return _fail("standard output: closed by its reader; files are complete", 3)
    except OSError as error:  # a disk or a device
        _drop_output()
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}; finished work is kept", 3)
    except MemoryError:
        return _fail("out of memory; use fewer images, trials or workers; finished work is kept", 3)


def _invoke(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code, or that of an error which is told in one line."""
    try:
        _refuse_empty(arguments)
        code = build_command()(list(arguments) or ["--help"], standalone_mode=False, prog_name="xbarsim") or 0
        return _fail_stopped() if code == 130 else code
    except _USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        return _fail(f"{error.format_message()}{hint}", 2)
    except XbarsimError as error:
        if _volume.VOLUME.verbose:
            _volume.LOG.info("where it comes from", exc_info=error)
        return _fail(str(error), 3 if isinstance(error, SolverError) else 2)
    except Interrupted as error:
        return _fail_stopped(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _fail_stopped()
    except SystemExit as error:
        if isinstance(error.__context__, OSError):  # the parser has seen a closed pipe
            raise error.__context__ from None
        raise


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument, which a path would read as the current folder."""
    for before, argument in zip(("", *arguments), arguments):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            name = option or (before if before.startswith("-") else "an argument")
            raise ConfigError(f"{name}: has an empty value; give one, or leave it out (is a shell variable not set?)")


def main() -> None:
    """Run the command line of this process; the entry point of the installed program."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_closed()
    sys.exit(run(sys.argv[1:]))


def _open_closed() -> None:
    """Send standard streams that the parent process has closed (``>&-``) nowhere, in place of None."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:  # the lowest free number is its own, unless something was opened since
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


_stopped: list[int] = []
"""Signals that have ended the command."""


def _terminate(number: int, _: object) -> None:
    _stopped.append(number)
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is done is being kept
    raise KeyboardInterrupt


def _fail_stopped(kept: str = "") -> int:
    word, code = ("terminated", 143) if _stopped else ("interrupted", 130)
    return _fail(f"{word}; {kept}" if kept else word, code)


def _drop_output() -> None:
    """Send what is left of standard output nowhere, so that the interpreter does not try again when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        typer.echo(shorten_message(f"xbarsim: {message}"), err=True)
    return code


def _show_warnings_in_one_line() -> None:
    import warnings

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        if _volume.VOLUME.quiet or issubclass(
            category, (DeprecationWarning, FutureWarning)
        ):  # of a library: not for users
            return
        typer.echo(shorten_message(f"xbarsim: warning: {message}"), err=True)

    warnings.showwarning = show  # type: ignore[assignment]
