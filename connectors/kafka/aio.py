"""The way to secured brokers for aiokafka and Faust, which name it otherwise than librdkafka."""

from __future__ import annotations

import ssl
from typing import Any

from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings

_NAMES = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
}


def aiokafka_security(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of an aiokafka client; raise ConfigurationError for a file that cannot be used."""
    known = {theirs: settings.extra[ours] for ours, theirs in _NAMES.items() if ours in settings.extra}
    context = tls_context(settings)
    return known if context is None else {**known, "ssl_context": context}


def tls_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context (1.2 or newer, the brokers' names checked), or None where the way is not TLS."""
    extra = settings.extra
    if not extra.get("security.protocol", "").upper().endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=extra.get("ssl.ca.location"))
        if "ssl.certificate.location" in extra:
            context.load_cert_chain(
                extra["ssl.certificate.location"], extra.get("ssl.key.location"), extra.get("ssl.key.password")
            )
    except OSError as error:  # ssl's own errors are OSErrors too
        message = f"the TLS files of Kafka cannot be used: {error.strerror or type(error).__name__}"
        raise ConfigurationError(message) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
