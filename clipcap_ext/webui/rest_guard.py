"""What a request must be before a route sees it: small enough, JSON, from here; it knows no captions. How
small is said in payload.py.

A body is never repeated in an answer. Where no password is set, a page of another site must not make the
browser of this machine's user post here (Origin), nor reach this server under a name of its own (Host).
"""

# No `from __future__ import annotations`: fastapi and pydantic 1 read the annotations as they are made.
import ipaddress
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from clipcap_ext.batch.journal import FolderBusy
from clipcap_ext.errors import Cancelled, CaptionError, ImageError, ModelNotFound, UsageError, printable
from clipcap_ext.foreign_json import ForeignJsonError, parse_json
from clipcap_ext.webui.payload import MAX_BODY_BYTES, TooLarge

STATUS: tuple[tuple[type[CaptionError], int], ...] = (
    (TooLarge, 413), (ModelNotFound, 404), (UsageError, 422), (ImageError, 422), (Cancelled, 409),
    (FolderBusy, 409), (CaptionError, 503),
)  # fmt: skip
OTHER_NAME = (
    "This server is asked under a name that is not this machine's. Use localhost, or start it with --listen "
    "or with a password for the API (--api-auth)."
)
OTHER_SITE = (
    "A page of another site may not post here. Allow it with --cors-allow-origins, or set a password for the "
    "API (--api-auth)."
)
FORMS = ("multipart/", "application/x-www-form-urlencoded", "image/", "application/octet-stream")


@dataclass(frozen=True)
class Access:
    """Who may ask. credentials: passwords by user, none where nobody is asked for one.

    origins: sites whose pages may post here, as the host was told. public: whether the host serves other
    machines, so that its names are unknown.
    """

    credentials: dict[str, str]
    origins: tuple[str, ...] = ()
    public: bool = False


class GuardedRoute(APIRoute):
    """Refuses a body that is too large before it is in memory, one that is no JSON before it is looked at,
    and answers a CaptionError by its kind."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """fastapi's handler between our guards."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                checked = await json_request(request) if request.method == "POST" else request
                return await handle(checked)
            except RequestValidationError as error:
                raise HTTPException(422, detail=told(error)) from None
            except CaptionError as error:
                raise HTTPException(status_of(error), detail=str(error)) from error

        return guarded


async def json_request(request: Request) -> Request:
    """The same request with its body read and known to be JSON; UsageError or 413 in words."""
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith(FORMS):
        raise UsageError(
            f"The body is {printable(kind.split(';')[0])}, and JSON is wanted (Content-Type: "
            "application/json): the picture goes into it in base64."
        )
    body = await whole_body(request)
    if body:
        try:
            parse_json(body, MAX_BODY_BYTES)
        except ForeignJsonError as error:
            raise UsageError(f"The body is no JSON: {error}.") from error
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


async def whole_body(request: Request) -> bytes:
    """The body, if it is not too large: one that says so at once, another when it has become so."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise too_large_body()
    parts: list[bytes] = []
    received = 0
    async for part in request.stream():
        parts.append(part)
        received += len(part)
        if received > MAX_BODY_BYTES:
            raise too_large_body()
    return b"".join(parts)


def too_large_body() -> TooLarge:
    """413."""
    return TooLarge(f"The request is above {MAX_BODY_BYTES // 2**20} MB: send fewer pictures at once.")


def told(error: RequestValidationError) -> str:
    """What is wrong with the fields, a few of them, without what they held."""
    lines = [
        f"{printable('.'.join(str(part) for part in fault['loc'][1:]) or 'the body')[:60]}: "
        f"{printable(fault['msg'])[:120]}"
        for fault in list(error.errors())[:5]
    ]
    return "; ".join(lines)


def status_of(error: CaptionError) -> int:
    """4xx where the request was at fault, 503 where this machine or its files are."""
    return next(code for kind, code in STATUS if isinstance(error, kind))


def dependencies(access: Access) -> list[Any]:
    """What every route asks first: the password if there are users, else where the request comes from."""

    def check_password(given: HTTPBasicCredentials = Depends(HTTPBasic())) -> None:  # noqa: B008
        expected = access.credentials.get(given.username)
        if expected is None or not compare_digest(given.password.encode(), expected.encode()):
            raise HTTPException(
                401, detail="Incorrect username or password", headers={"WWW-Authenticate": "Basic"}
            )

    def check_place(request: Request) -> None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not access.public and not is_this_machine(host):
            raise HTTPException(403, detail=OTHER_NAME)
        if request.method == "POST" and origin is not None and not is_same_site(origin, host, access.origins):
            raise HTTPException(403, detail=OTHER_SITE)

    return [Depends(check_password if access.credentials else check_place)]


def is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine: localhost, an address, or the name it calls itself by."""
    name = (urlsplit(f"//{host}").hostname or "") if host else ""
    own = {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}
    if name in own or name.endswith((".localhost", ".local")):
        return True
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_same_site(origin: str, host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a page of `origin` is this server's own, or of a site that the host allows."""
    return urlsplit(origin).netloc.lower() == host.lower() or origin in allowed or "*" in allowed
