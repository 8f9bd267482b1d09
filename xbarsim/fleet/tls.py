"""Encrypted connections to a cluster: checks of certificates before connecting, and messages about refusals.

Dask reports missing or wrong certificates late and with little detail. Certificates are therefore checked here first
with Python's ``ssl``.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xbarsim.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Security

SCHEME = "tls://"
_OPTIONS = "--tls-ca, --tls-cert and --tls-key"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files of an encrypted connection; Dask's own configuration holds for those that are None."""

    ca_file: str | None = None
    """Certificate authority that scheduler and workers are signed by."""
    cert_file: str | None = None
    """Certificate of this client."""
    key_file: str | None = None
    """Its private key; None where it stands in the file of the certificate."""

    @property
    def is_given(self) -> bool:
        """Whether any file is named."""
        return any((self.ca_file, self.cert_file, self.key_file))


def make_security(address: str, tls: Tls) -> Security | None:
    """Choose how a connection is encrypted.

    Parameters
    ----------
    address : str
        Of the scheduler.
    tls : Tls
        Certificates.

    Returns
    -------
    distributed.Security or None
        None leaves it to Dask's configuration.

    Raises
    ------
    ConfigError
        If certificates are missing, cannot be read, do not belong together, or the address is not encrypted.
    """
    from distributed import Security

    if not address.startswith(SCHEME):
        if tls.is_given:
            raise ConfigError(f"--dask {address}: certificates need an address of the form {SCHEME}HOST:PORT")
        return None
    named = {"tls_ca_file": tls.ca_file, "tls_client_cert": tls.cert_file, "tls_client_key": tls.key_file}
    security = Security(require_encryption=True, **{name: file for name, file in named.items() if file is not None})
    used = security.get_tls_config_for_role("client")
    if not used["ca_file"] or not used["cert"]:
        missing = "--tls-cert" if used["ca_file"] else "--tls-ca" if used["cert"] else _OPTIONS
        raise ConfigError(f"--dask {address}: needs {missing}, or the corresponding keys of Dask's configuration")
    _check_files(tls, security)
    return security if tls.is_given else None


def explain_refusal(address: str, error: Exception) -> str:
    """Say in one line why a scheduler could not be connected to; the error's own words stand in brackets."""
    said = " ".join(str(error).split()).rpartition(">: ")[2] or type(error).__name__
    if "TLS certificate" in said or "CERTIFICATE_VERIFY_FAILED" in said:
        why = "the scheduler's certificate is not signed by the authority of --tls-ca"
    elif not address.startswith(SCHEME) and ("Reset" in said or "closed" in said):
        why = f"the scheduler closed the connection; if it expects certificates, give {SCHEME}HOST:PORT and {_OPTIONS}"
    elif "SSL" in said:
        why = "the scheduler refused the certificate of --tls-cert, or speaks without encryption (tcp://)"
    else:
        why = "no scheduler answers"
    return f"--dask {address}: {why} ({said})"


def _check_files(tls: Tls, security: Security) -> None:
    """Open what is named and let ``ssl`` take it; contents that Dask's configuration holds in place of files pass."""
    for option, file in (("--tls-ca", tls.ca_file), ("--tls-cert", tls.cert_file), ("--tls-key", tls.key_file)):
        try:
            if file is not None:
                open(file, "rb").close()
        except OSError as error:
            raise ConfigError(f"{option} {file}: cannot be read: {error.strerror or error}") from None
    try:
        ssl.create_default_context(cafile=tls.ca_file)
    except ssl.SSLError:
        raise ConfigError(f"--tls-ca {tls.ca_file}: contains no certificate in PEM format") from None
    try:
        security.get_connection_args("client")
    except ssl.SSLError as error:
        pair = f"--tls-cert {tls.cert_file}" + (f", --tls-key {tls.key_file}" if tls.key_file else "")
        is_pair = error.reason == "KEY_VALUES_MISMATCH"
        rule = "the key is not the certificate's" if is_pair else "should hold a certificate and its key in PEM form"
        raise ConfigError(f"{pair}: {rule}") from None
    except OSError as error:
        raise ConfigError(f"--dask: a certificate of Dask's configuration: {error.strerror or error}") from None
