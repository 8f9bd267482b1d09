"""A cluster that speaks TLS: certificates passed through, and refusals that name what is wrong with them."""

import shutil
import subprocess
from functools import partial

import pytest

pytest.importorskip("distributed", reason="the extra cluster is not installed")

import xbarsim.cli
from xbarsim.errors import ConfigError
from xbarsim.fleet.tls import Tls, explain_refusal, make_security

if shutil.which("openssl") is None:
    pytest.skip("openssl makes the certificates", allow_module_level=True)

ADDRESS = "tls://127.0.0.1:8786"
SWEEP = """
network: digits
data: digits
images: 20
axes: {adc.bits: [5, 6], device.programming.sigma: [0.0, 0.1]}
metrics: [accuracy.hardware, cost.edap]
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two authorities, ``here`` and ``foreign``, and a certificate with its key from each."""
    folder = tmp_path_factory.mktemp("certificates")
    new = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for name in ("here", "foreign"):
        signer = f"-CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial"
        for command in (
            f"{new} -x509 -days 2 -keyout {name}-ca.key -out {name}-ca.pem -subj /CN={name}-authority",
            f"{new} -keyout {name}.key -out {name}.csr -subj /CN={name}",
            f"openssl x509 -req -days 2 -in {name}.csr -out {name}.pem {signer}",
        ):  # fmt: skip
            subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def address(certificates):
    """Address of a scheduler with two workers that all speak TLS."""
    from distributed import LocalCluster, Security

    files = {
        f"tls_{role}_{kind}": str(certificates / f"here.{ending}")
        for role in ("scheduler", "worker", "client")
        for kind, ending in (("cert", "pem"), ("key", "key"))
    }
    security = Security(require_encryption=True, tls_ca_file=str(certificates / "here-ca.pem"), **files)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, security=security,
        protocol="tls://",
    ) as made:  # fmt: skip
        yield made.scheduler_address


@pytest.fixture
def sweep(tmp_path):
    """Run the command on a small sweep; returns its exit code."""
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP)
    return lambda out, *more: xbarsim.cli.run(["sweep", str(file), "--out", str(tmp_path / out), *more])


def options(certificates, authority="here", certificate="here", key="here"):
    return [
        "--tls-ca", str(certificates / f"{authority}-ca.pem"), "--tls-cert", str(certificates / f"{certificate}.pem"),
        "--tls-key", str(certificates / f"{key}.key"),
    ]  # fmt: skip


def files(certificates, **changes):
    found = {"ca_file": "here-ca.pem", "cert_file": "here.pem", "key_file": "here.key", **changes}
    return Tls(**{name: None if file is None else str(certificates / file) for name, file in found.items()})


@pytest.mark.slow
def test_a_sweep_over_tls_gives_the_results_of_local_processes(tmp_path, sweep, address, certificates):
    assert address.startswith("tls://")
    assert sweep("tls", "--dask", address, *options(certificates)) == 0
    assert sweep("local", "--workers", "1") == 0
    assert (tmp_path / "tls/points.csv").read_bytes() == (tmp_path / "local/points.csv").read_bytes()
    assert (tmp_path / "tls/points.parquet").read_bytes() == (tmp_path / "local/points.parquet").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"authority": "foreign"}, "the scheduler's certificate is not signed by the authority of --tls-ca"),
        ({"certificate": "foreign", "key": "foreign"}, "the scheduler refused the certificate of --tls-cert"),
    ],
)
def test_certificates_of_another_authority_are_refused_in_one_line(
    tmp_path, sweep, address, certificates, capsys, choice, reason
):
    assert sweep("out", "--dask", address, *options(certificates, **choice)) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert f"--dask {address}: {reason}" in told[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_scheduler_that_wants_certificates_is_not_spoken_to_without(sweep, address, capsys):
    plain = address.replace("tls://", "tcp://")
    assert sweep("out", "--dask", plain) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert f"--dask {plain}: the scheduler closed the connection; if it expects certificates" in told[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ca_file": None, "cert_file": None, "key_file": None}, "needs --tls-ca, --tls-cert and --tls-key"),
        ({"cert_file": None, "key_file": None}, "needs --tls-cert, or the corresponding keys of Dask's configuration"),
        ({"ca_file": None}, "needs --tls-ca, or the corresponding keys of Dask's configuration"),
        ({"cert_file": "nowhere.pem"}, r"--tls-cert .*nowhere.pem: cannot be read: No such file"),
        ({"ca_file": "here.key"}, r"--tls-ca .*here.key: contains no certificate in PEM format"),
        ({"key_file": "foreign.key"}, r"--tls-key .*foreign.key: the key is not the certificate's"),
        ({"key_file": None}, r"--tls-cert .*here.pem: should hold a certificate and its key"),
    ],
)
def test_certificates_that_cannot_work_are_named_before_anybody_is_called(certificates, changes, told):
    with pytest.raises(ConfigError, match=told):
        make_security(ADDRESS, files(certificates, **changes))


def test_certificates_are_passed_on(certificates):
    security = make_security(ADDRESS, files(certificates))
    assert security.require_encryption
    used = security.get_tls_config_for_role("client")
    assert used["ca_file"] == str(certificates / "here-ca.pem")
    assert used["cert"] == str(certificates / "here.pem")
    assert used["key"] == str(certificates / "here.key")


def test_a_key_may_stand_in_the_file_of_its_certificate(certificates):
    joined = certificates / "joined.pem"
    joined.write_bytes((certificates / "here.pem").read_bytes() + (certificates / "here.key").read_bytes())
    assert make_security(ADDRESS, files(certificates, cert_file="joined.pem", key_file=None)) is not None


def test_certificates_of_dasks_own_configuration_are_left_to_it(certificates):
    import dask

    here = partial("{}/{}".format, certificates)
    kept = {
        "distributed.comm.tls.ca-file": here("here-ca.pem"),
        "distributed.comm.tls.client.cert": here("here.pem"),
        "distributed.comm.tls.client.key": here("here.key"),
    }
    with dask.config.set(kept):
        assert make_security(ADDRESS, Tls()) is None
        mixed = make_security(ADDRESS, Tls(key_file=here("here.key")))
        assert mixed.get_tls_config_for_role("client")["cert"] == here("here.pem")


def test_certificates_without_an_encrypted_address_are_refused(certificates):
    with pytest.raises(ConfigError, match=r"certificates need an address of the form tls://HOST:PORT"):
        make_security("tcp://127.0.0.1:8786", files(certificates))
    assert make_security("tcp://127.0.0.1:8786", Tls()) is None


def test_an_address_that_nobody_answers_is_not_blamed_on_certificates():
    assert "no scheduler answers (refused)" in explain_refusal(ADDRESS, OSError("refused"))
