"""Detached Ed25519 signatures of a model's files, by keys that the site trusts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from inference.errors import ModelRefused


def sums(hashes: Mapping[str, str]) -> bytes:
    """What is signed: the lines of `sha256sum` for the files in the order of their names. Its SHA-256 is the digest."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()


def signer_of(message: bytes, signature: bytes, *, keys: Path) -> str:
    """The name of the key in the folder `keys` (`<name>.pem`) that made `signature` of `message`.

    Raises ModelRefused when none did, or when there is no key or one that cannot be read.
    """
    trusted = dict(_trusted(keys))
    for name, key in trusted.items():
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return name
    known = ", ".join(trusted) or "none"
    raise ModelRefused(
        f"The signature was not made over these files by a key that is trusted here (keys in {keys}: {known}). Check "
        "that the files are those that were signed, or have the signer's public key put there as NAME.pem."
    )


def _trusted(keys: Path) -> Iterator[tuple[str, Ed25519PublicKey]]:
    for file in sorted(keys.glob("*.pem")):
        try:
            key = load_pem_public_key(file.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as fault:
            raise ModelRefused(f"{file} is no public key in PEM: {fault}. Correct or remove it.") from fault
        if not isinstance(key, Ed25519PublicKey):
            raise ModelRefused(f"{file} is no Ed25519 key. Make one with: openssl genpkey -algorithm ed25519")
        yield file.stem, key
