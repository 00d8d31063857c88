"""E-mail through Amazon SES, API v2, and the signature that Amazon asks for.

Signature Version 4 is written out here: botocore, which has it, is 90 MB of other services' descriptions.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

import httpx
import orjson

from orion_core.clock import Clock
from orion_notifications.delivery.drivers.mail_services import JSON, addressed
from orion_notifications.delivery.exchange import Answer, post, refusal, text_of
from orion_notifications.delivery.mail import compose, flatten
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt, Tagging, Unsubscribing
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.provider_settings import SesSettings, parse_sender

SES = "ses"
ALGORITHM = "AWS4-HMAC-SHA256"
OF_ACCOUNT = frozenset(
    {"AccountSuspendedException", "MailFromDomainNotVerifiedException", "SendingPausedException", "NotFoundException"}
)
"""With 400 or 404, but nothing is wrong with the message."""
OF_LIMIT = frozenset({"TooManyRequestsException", "LimitExceededException"})


class Ses:
    """SendEmail: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html."""

    def __init__(
        self,
        settings: SesSettings,
        http: httpx.AsyncClient,
        clock: Clock,
        unsubscribing: Unsubscribing,
        tag: Tagging,
    ) -> None:
        self._settings = settings
        base = settings.base_url or f"https://email.{settings.region}.amazonaws.com"
        self._url = f"{base}/v2/email/outbound-emails"
        self._sender = parse_sender(settings.sender)
        self._http = http
        self._clock = clock
        self._unsubscribing = unsubscribing
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        addressed(message, SES)
        now = self._clock()
        mail = compose(message, self._sender, format_datetime(now), self._unsubscribing(message))
        body = {
            "FromEmailAddress": str(self._sender),
            "Destination": {"ToAddresses": [message.recipient]},
            "Content": {"Raw": {"Data": b64encode(flatten(mail)).decode()}},
            "EmailTags": [{"Name": "orion_id", "Value": self._tag(message.id)}],
        }
        if self._settings.configuration_set is not None:
            body["ConfigurationSetName"] = self._settings.configuration_set
        content = orjson.dumps(body)
        secret = self._settings.secret_access_key.get_secret_value()
        headers = signed(
            self._url,
            content,
            JSON,
            key_id=self._settings.access_key_id,
            secret=secret,
            region=self._settings.region,
            now=now,
        )
        answer = await post(self._http, self._url, content, provider=SES, headers=headers)
        if (failure := _refusal(answer)) is not None:
            raise NotDeliveredError(failure, SES)
        return Receipt(Next.SENT, SES, text_of(answer.json().get("MessageId")), answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""


def signed(
    url: str, content: bytes, headers: Mapping[str, str], *, key_id: str, secret: str, region: str, now: datetime
) -> dict[str, str]:
    """The headers of a POST to SES, with its signature."""
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port is not None:
        host = f"{host}:{parts.port}"
    given = {name.lower(): value for name, value in headers.items()} | {"host": host, "x-amz-date": moment}
    names = ";".join(sorted(given))
    request = "\n".join(
        [
            "POST",
            quote(parts.path, safe="/-_.~"),
            "",
            *(f"{name}:{given[name].strip()}" for name in sorted(given)),
            "",
            names,
            sha256(content).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/ses/aws4_request"
    to_sign = "\n".join([ALGORITHM, moment, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), sha256)
    signature = hmac.new(key, to_sign.encode(), sha256).hexdigest()
    given["authorization"] = f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return given


def _refusal(answer: Answer) -> Failure | None:
    failure = refusal(answer, SES)
    if failure is None:
        return None
    # `x-amzn-ErrorType: BadRequestException:http://…`, or `__type` with a prefix
    named = answer.headers.get("x-amzn-errortype") or str(answer.json().get("__type", ""))
    name = named.split(":")[0].split("#")[-1]
    if name in OF_LIMIT:
        words = "the account is at its limit"
        return Failure(
            AttemptStatus.RATE_LIMITED,
            "ses_429",
            words,
            is_permanent=False,
            status_code=answer.status,
            fault=Fault.ACCOUNT,
        )
    if name in OF_ACCOUNT:
        words = "the account may not send now"
        return Failure(
            AttemptStatus.FAILURE,
            "ses_account",
            words,
            is_permanent=False,
            status_code=answer.status,
            fault=Fault.ACCOUNT,
        )
    return failure
