"""A small OpenID issuer for demonstrations and tests: it signs what it is told to, so it must not serve people."""

from __future__ import annotations

from contactpoint.issuer.client import DpopClient
from contactpoint.issuer.keys import Issuer

__all__ = ["DpopClient", "Issuer"]
