"""What addresses the settings may name: of this machine or of others, of a database or of a broker."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from environs import ValidationError

IN_FILES = ("sqlite", "unix", "redis+socket")  # their addresses are paths, which may look like anything


def is_loopback(host: str) -> bool:
    """Says whether a service that listens on `host` is reached from this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def require_address(schemes: tuple[str, ...], url: str) -> None:
    """Raises ValidationError unless the URL is empty or one of these schemes, with a port that can be.

    The text does not repeat what was found: it may hold a password.
    """
    scheme, found, rest = url.partition("://")
    if url and (not found or scheme not in schemes):
        raise ValidationError(f"must begin with {'://, '.join(schemes)}://")
    if scheme in IN_FILES:
        return
    try:
        _ = urlsplit(f"//{rest.rpartition('@')[2]}").port  # a password before it may look like anything too
    except ValueError:
        raise ValidationError("must name its port by a number from 0 to 65535") from None
