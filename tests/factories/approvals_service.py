"""The approvals service in this process on a real database, with people of management teams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from projections.approvals.app import ApprovalsApplication, approvals_settings, install
from projections.exports.manifest import make_signing_key, read_signing_key
from projections.service.app import Guarded, ServiceSettings
from projections.service.purposes import LETTING_OUT
from projections.service.tokens import Keys, TokenRules
from schemas.settings import PostgresSettings
from tests.factories.directory_service import BASE_URL, Desk


class ApprovalsDesk(Desk):
    """The running service, its users and its clients; manifests are signed with `signer`."""

    def __init__(self, postgres: PostgresSettings, folder: Path) -> None:
        self.signing_key = folder / "signer.pem"
        if not self.signing_key.exists():
            make_signing_key(self.signing_key)
        self.signer = read_signing_key(self.signing_key)
        super().__init__(postgres)

    def _install(self) -> None:
        install(self.postgres)

    def _application(self, rules: TokenRules, keys: Keys) -> Guarded:
        settings = ServiceSettings(approvals_settings(self.postgres), BASE_URL, rules, self.limits)
        return ApprovalsApplication(settings, keys, self.clock, signing_key=self.signing_key)

    def manager(self, subject: str, *rights: str) -> str:
        """Make a person of a management team with these rights, or with all."""
        return self.employ(subject, "management_team", organisation="bolton", rights=list(rights or LETTING_OUT))

    def ask(self, path: str, subject: str, body: dict[str, Any], **claims: Any) -> httpx.Response:
        """Post as a person, whose token says what is given in `claims`."""
        return self.request("POST", path, self.token(subject, **claims), body)
