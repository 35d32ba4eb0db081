"""How refusals and errors are answered: status, code, words, and the challenge where a new authentication helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from projections.service.case import Refusal, Unavailable
from projections.service.decision import ACR_REQUIRED, Outcome
from projections.service.http import error_body, media_type

MESSAGES: Mapping[Outcome, str] = {
    Outcome.TOKEN_NOT_BOUND: "The token does not belong to this client.",
    Outcome.ACR_TOO_LOW: "Log in with a hardware key: this needs AAL3.",
    Outcome.AUTHENTICATION_TOO_OLD: "Log in again: the last time was too long ago.",
    Outcome.STEP_UP_REQUIRED: "Log in again for this: at most five minutes before.",
    Outcome.USER_UNKNOWN: "You have no account here.",
    Outcome.USER_INACTIVE: "Your account is not active.",
    Outcome.USER_BLOCKED: "Your account is suspended: speak to your management team.",
    Outcome.CATEGORY_NOT_LISTED: "Your role has no access.",
    Outcome.EMPLOYER_NOT_ACCREDITED: "Your employer is not accredited.",
    Outcome.EMPLOYER_NOT_CONFIRMED: "Your employer has changed since you were vetted.",
    Outcome.TRAINING_LAPSED: "Your training is not current.",
    Outcome.VETTING_LAPSED: "Your enhanced check is older than three years.",
    Outcome.AGREEMENT_LAPSED: "Your user agreement is not current.",
    Outcome.MEDIATION_NOT_PERMITTED: "You may not do this on behalf of another person.",
    Outcome.ACTION_UNKNOWN: "There is no such action.",
    Outcome.PURPOSE_NOT_PERMITTED: "That purpose is not on the list for your role.",
    Outcome.REASON_NOT_GIVEN: "Give the reason in your own words, at least ten characters, for this child.",
    Outcome.LIMIT_EXCEEDED: "You have reached a limit of use. Your management team has been told.",
    Outcome.OVERRIDE_NOT_PERMITTED: "You do not have the right to override a shield.",
    Outcome.GROUND_NOT_GIVEN: "Give a ground of the list for overriding the shield.",
    Outcome.DEED_NOT_PERMITTED: "You do not have the right to do this.",
}

_SHARED_LIMIT = "Your organisation, or the system that you use, has reached its limit of this hour."


def refused(request: Request, refusal: Refusal) -> JSONResponse:
    """Return the answer to a refusal; raise Unavailable when it is the audit trail that stops it."""
    if refusal.trouble == "audit_unavailable":
        raise Unavailable
    scheme = "DPoP" if request.headers.get("authorization", "").lower().startswith("dpop ") else "Bearer"
    if refusal.trouble == "proof_replayed" or refusal.decision is None:
        challenge = f'{scheme} error="invalid_dpop_proof"'
        return error(request, 401, "invalid_dpop_proof", "The proof was used before.", challenge)
    decision = refusal.decision
    message = MESSAGES[decision.outcome]
    if decision.max_age is not None:
        challenge = (
            f'{scheme} error="insufficient_user_authentication", error_description="{message}", '
            f'acr_values="{ACR_REQUIRED}", max_age="{decision.max_age}"'
        )
        return error(request, 401, str(decision.outcome), message, challenge)
    if refusal.again_in is not None:
        answer = error(request, 429, str(decision.outcome), _SHARED_LIMIT)
        answer.headers["retry-after"] = str(refusal.again_in)
        return answer
    status = 429 if decision.outcome is Outcome.LIMIT_EXCEEDED else 403
    return error(request, status, str(decision.outcome), message)


def error(
    request: Request, status: int, code: str, message: str, challenge: str | None = None, **more: Any
) -> JSONResponse:
    """Return an error as the caller's kind of client reads it."""
    headers = {} if challenge is None else {"www-authenticate": challenge}
    path = request.url.path
    return JSONResponse(error_body(path, status, code, message, **more), status, headers, media_type(path))
