"""Options of commands that spread their work over processes or a Dask cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbarsim.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client

Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Use a Dask cluster, e.g. tcp://10.0.0.1:8786.")
]
TlsCa = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="FILE", help="Certificate authority, for --dask tls://.")
]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate, for --dask tls://.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Private key, for --dask tls://.")]


def check_processes(workers: int | None, dask: str | None, *tls: Path | None) -> None:
    """Refuse options that contradict each other.

    Parameters
    ----------
    workers : int or None
        Processes of this machine.
    dask : str or None
        Address of a scheduler.
    *tls : Path or None
        Certificates.

    Raises
    ------
    ConfigError
        If both kinds of workers are asked for, or certificates without a cluster.
    """
    if dask is not None and workers is not None:
        raise ConfigError(
            "--workers: cannot be combined with --dask, since the cluster has its own workers; leave one of them out"
        )
    if dask is None and any(item is not None for item in tls):
        raise ConfigError("--tls-ca, --tls-cert, --tls-key: only together with --dask")


@contextlib.contextmanager
def open_cluster(
    dask: str | None, ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> Iterator[Client | None]:
    """Connect to a cluster within a ``with`` statement.

    Parameters
    ----------
    dask : str or None
        Address of a scheduler; None for no cluster.
    ca_file, cert_file, key_file : Path or None
        Certificates.

    Yields
    ------
    distributed.Client or None
        Connected.
    """
    if dask is None:
        yield None
        return
    from xbarsim.fleet.cluster import connect
    from xbarsim.fleet.tls import Tls

    files = {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}
    client = connect(dask, Tls(**{name: None if item is None else str(item) for name, item in files.items()}))
    try:
        yield client
    finally:
        client.close()
