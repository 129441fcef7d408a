"""A real OpenLDAP server with a certificate of a CA of the tests, and people and groups that tests change."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import ldap
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ldap import modlist
from pytest_django import Settings

from portal.ldap_settings import LDAPSettings
from tests.ports import free_port

SUFFIX = "dc=hospital,dc=example"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
MANAGER, SERVICE = f"cn=manager,{SUFFIX}", f"cn=overread,{SUFFIX}"
SECRET = "a-secret-of-tests"
START_SECONDS = 20

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
# Whoever says a password in the clear is refused.
security simple_bind=64
database mdb
suffix "{suffix}"
rootdn "{manager}"
rootpw {secret}
directory {folder}/data
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="{suffix}" by dn.exact="{service}" read by anonymous auth by * none
"""


@dataclass
class Directory:
    """The server, and what a hospital's administrator does to it."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def settings(self) -> LDAPSettings:
        """The portal's settings for it."""
        return LDAPSettings(
            url=self.url,
            ca_file=str(self.folder / "ca.pem"),
            bind_dn=SERVICE,
            bind_password=SECRET,
            user_base=PEOPLE,
            group_base=GROUPS,
            seconds=2.0,
        )

    def start(self) -> None:
        listen = ["-h", f"{self.url} ldaps://127.0.0.1:{self.port + 1}"]
        command = [
            shutil.which("slapd") or "/usr/sbin/slapd",
            "-d",
            "0",
            "-f",
            str(self.folder / "slapd.conf"),
            *listen,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._process.stderr and self._process.stderr.read()
            assert time.monotonic() < deadline, "slapd does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """The server is down meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _answers(self) -> bool:
        try:
            with self._managing():
                return True
        except ldap.LDAPError:
            return False

    @contextmanager
    def _managing(self) -> Iterator[Any]:
        connection = ldap.initialize(self.url)
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(self.folder / "ca.pem"))
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.start_tls_s()
        connection.simple_bind_s(MANAGER, SECRET)
        try:
            yield connection
        finally:
            connection.unbind_s()

    def _add(self, dn: str, **attributes: str | list[str]) -> None:
        values = {name: [each.encode() for each in _several(value)] for name, value in attributes.items()}
        with self._managing() as connection:
            connection.add_s(dn, modlist.addModlist(values))

    def add_person(self, uid: str, *, password: str, first: str = "Ada", last: str = "Lovelace") -> str:
        """A new person; returns the DN."""
        dn = f"uid={uid},{PEOPLE}"
        self._add(
            dn,
            objectClass="inetOrgPerson",
            uid=uid,
            cn=f"{first} {last}",
            sn=last,
            givenName=first,
            mail=f"{uid}@hospital.example",
            userPassword=password,
        )
        return dn

    def remove(self, dn: str) -> None:
        with self._managing() as connection:
            connection.delete_s(dn)

    def lock(self, dn: str) -> None:
        """Lock by hand, as OpenLDAP's ppolicy(5) says."""
        self._modify(dn, ldap.MOD_REPLACE, "pwdAccountLockedTime", "000001010000Z")

    def unlock(self, dn: str) -> None:
        self._modify(dn, ldap.MOD_DELETE, "pwdAccountLockedTime", None)

    def add_group(self, name: str, *members: str) -> str:
        """A new group; returns the DN. The manager is in every group, for none may be empty."""
        dn = f"cn={name},{GROUPS}"
        self._add(dn, objectClass="groupOfNames", cn=name, member=[MANAGER, *members])
        return dn

    def put_in(self, group: str, dn: str) -> None:
        self._modify(group, ldap.MOD_ADD, "member", dn)

    def take_out(self, group: str, dn: str) -> None:
        self._modify(group, ldap.MOD_DELETE, "member", dn)

    def _modify(self, dn: str, how: int, attribute: str, value: str | None) -> None:
        with self._managing() as connection:
            connection.modify_s(dn, [(how, attribute, value if value is None else [value.encode()])])

    def clear(self) -> None:
        """Remove all people and groups."""
        with self._managing() as connection:
            for base in (PEOPLE, GROUPS):
                for dn, _ in connection.search_s(base, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]):
                    connection.delete_s(dn)

    def furnish(self) -> None:
        """The suffix, the two folders, and the service account."""
        self._add(SUFFIX, objectClass=["dcObject", "organization"], dc="hospital", o="Hospital")
        for dn, name in ((PEOPLE, "people"), (GROUPS, "groups")):
            self._add(dn, objectClass="organizationalUnit", ou=name)
        self._add(
            SERVICE, objectClass=["organizationalRole", "simpleSecurityObject"], cn="overread", userPassword=SECRET
        )


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@contextmanager
def running_directory() -> Iterator[Directory]:
    """A server with nobody in it."""
    with tempfile.TemporaryDirectory(prefix="overread-slapd-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_certificates(folder)
        values = {"folder": folder, "suffix": SUFFIX, "manager": MANAGER, "service": SERVICE, "secret": SECRET}
        (folder / "slapd.conf").write_text(CONFIGURATION.format(**values))
        directory = Directory(folder, free_port())
        directory.start()
        try:
            directory.furnish()
            yield directory
        finally:
            directory.stop()


@pytest.fixture(scope="session")
def slapd() -> Iterator[Directory]:
    """One server for the whole run."""
    with running_directory() as directory:
        yield directory


@pytest.fixture
def directory(slapd: Directory, settings: Settings) -> Iterator[Directory]:
    """The hospital's directory, without anybody in it, to which the portal turns."""
    settings.OVERREAD_LDAP = slapd.settings
    backend = "portal.accounts.ldap_backend.DirectoryBackend"
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, backend]
    yield slapd
    slapd.clear()


def write_certificates(folder: Path) -> None:
    """`ca.pem`, and `server.pem` with `server.key` of that CA, for 127.0.0.1."""
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root, name = _name("Tests' CA"), _name("127.0.0.1")
    of_the_ca = _certificate(root, authority.public_key(), issuer=root).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    of_the_server = _certificate(name, server.public_key(), issuer=root).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    for file, made in (("ca.pem", of_the_ca), ("server.pem", of_the_server)):
        signed = made.sign(authority, hashes.SHA256())
        (folder / file).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey, *, issuer: x509.Name) -> x509.CertificateBuilder:
    today = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=2))
    )
