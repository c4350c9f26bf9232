"""Addresses: what a database's and a broker's must look like, and which are this machine's or inner."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from environs import ValidationError

IN_FILES = ("sqlite", "unix", "redis+socket")  # their addresses are paths, which may look like anything


def is_loopback(host: str) -> bool:
    """Says whether a service that listens on `host` is reached from this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291; whatever else IPv6 has is of no use in the internet
_DOCUMENTATION = IPv6Network("3fff::/20")  # RFC 9637


def is_public(address: str) -> bool:
    """Says whether an address, as a name server gives it, leads into the internet and nowhere else."""
    each = ip_address(address.partition("%")[0])
    if isinstance(each, IPv6Address):
        translated = IPv4Address(int(each) & 0xFFFFFFFF) if each in _NAT64 else None
        inside = each.ipv4_mapped or each.sixtofour or translated  # where it leads in the end
        if inside is None:
            return each.is_global and each in _GLOBAL_UNICAST and each not in _DOCUMENTATION
        each = inside
    return each.is_global and not each.is_multicast


def is_inner_by_its_writing(host: str) -> bool:
    """Says whether a host is inner before anybody looks its name up: 127.1 and 0x7f000001 are, too."""
    try:
        return not is_public(host)
    except ValueError:
        pass
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


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
