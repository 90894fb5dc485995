"""The REST routes /clipcap/v1/*: models, caption, unload. No interface; it fetches no address and opens no
path.

Written for pydantic 1 and 2 and for every fastapi from 0.94: models are plain fields, checks are code below.
"""

# No `from __future__ import annotations`: fastapi and pydantic 1 read the annotations as they are made.
from collections.abc import Awaitable, Callable
from secrets import compare_digest
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import VERSION, BaseModel, Field

from clipcap_ext.caption import DIGITS, Caption, DecodingOptions
from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.errors import Cancelled, CaptionError, ImageError, ModelNotFound, UsageError
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.option_schema import options_schema
from clipcap_ext.webui.payload import MAX_BODY_BYTES, MAX_IMAGES, TooLarge, decode_images

PREFIX = "/clipcap/v1"
STATUS: tuple[tuple[type[CaptionError], int], ...] = (
    (TooLarge, 413),
    (ModelNotFound, 404),
    (UsageError, 422),
    (ImageError, 422),
    (Cancelled, 409),
    (CaptionError, 503),
)


def in_schema(words: dict[str, Any]) -> dict[str, Any]:
    """Keywords that give a pydantic Field more words of JSON schema; pydantic 1 takes them as they are."""
    return words if VERSION.startswith("1.") else {"json_schema_extra": words}


class CaptionRequest(BaseModel):
    """What POST caption takes: `image` or `images`."""

    image: str | None = Field(None, title="Image", description="One picture, base64 or a data: URI.")
    images: list[str] | None = Field(
        None, title="Images", description=f"Up to {MAX_IMAGES} of them, in one batch."
    )
    model: str = Field(
        "", title="Model", description="A name from GET models; empty is the one of the settings page."
    )
    options: dict[str, Any] = Field(
        {}, title="Options", description="Decoding options that differ from the model's.",
        **in_schema(options_schema()),
    )  # fmt: skip


class CandidateItem(BaseModel):
    """One text the model considered."""

    text: str = Field(..., title="Text")
    avg_logprob: float = Field(
        ..., title="Mean log-probability a token", description="In nats; nearer 0 is likelier."
    )
    similarity: float | None = Field(
        None, title="Similarity", description="Cosine with the picture, where ranked."
    )


class CaptionItem(BaseModel):
    """What the model says of one picture."""

    caption: str = Field(..., title="Caption")
    candidates: list[CandidateItem] = Field(..., title="Candidates", description="Best first.")


class CaptionResponse(BaseModel):
    """Captions in the order of the pictures; `caption` repeats the first."""

    caption: str = Field(..., title="Caption")
    captions: list[CaptionItem] = Field(..., title="Captions")
    model: str = Field(..., title="Model")
    device: str = Field(..., title="Device")
    dtype: str = Field(..., title="Number type")
    milliseconds: float = Field(..., title="Milliseconds", description="Captioning alone, without loading.")


class ModelItem(BaseModel):
    """A model that can be asked for, or the reason why it cannot."""

    name: str = Field(..., title="Name")
    kind: str = Field(
        ..., title="Kind", description="clipcap, sbg or merge-rnn; empty if the folder cannot be read."
    )
    size: int = Field(..., title="Bytes on disk")
    problem: str = Field(..., title="Problem", description="Empty if it can be used.")


class ModelsResponse(BaseModel):
    """All models, and the one that is used where none is named."""

    models: list[ModelItem] = Field(..., title="Models")
    default: str = Field(..., title="Default")


class UnloadResponse(BaseModel):
    """Which model was in memory; empty if there was none."""

    unloaded: str = Field(..., title="Unloaded")


class LimitedRoute(APIRoute):
    """Refuses a body above MAX_BODY_BYTES before it is in memory, and answers a CaptionError by its kind."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """fastapi's handler between two guards."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(Request(request.scope, limited(request)))
            except CaptionError as error:
                raise HTTPException(status_of(error), detail=str(error)) from error

        return guarded


def limited(request: Request) -> Callable[[], Awaitable[Any]]:
    """The request's receive function, counting; a Content-Length that is too large is refused at once."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > MAX_BODY_BYTES:
        raise too_large_body()
    seen = 0

    async def receive() -> Any:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise too_large_body()
        return message

    return receive


def too_large_body() -> HTTPException:
    """Not a CaptionError: fastapi turns other exceptions met while it reads a body into a plain 400."""
    return HTTPException(
        413, detail=f"The request is above {MAX_BODY_BYTES // 2**20} MB: send fewer pictures at once."
    )


def status_of(error: CaptionError) -> int:
    """4xx where the request was at fault, 503 where this machine or its files are."""
    return next(code for kind, code in STATUS if isinstance(error, kind))


def guard(credentials: dict[str, str]) -> list[Any]:
    """The dependencies of every route: basic authentication if there are users, the host adds none to our
    routes."""
    if not credentials:
        return []

    def check(given: HTTPBasicCredentials = Depends(HTTPBasic())) -> None:  # noqa: B008
        expected = credentials.get(given.username)
        if expected is None or not compare_digest(given.password.encode(), expected.encode()):
            raise HTTPException(
                401, detail="Incorrect username or password", headers={"WWW-Authenticate": "Basic"}
            )

    return [Depends(check)]


def add_api(
    app: FastAPI,
    service: CaptionService,
    credentials: dict[str, str],
    pick: Callable[[str], str] = lambda name: name,
) -> None:
    """Add the routes to the host's app. `pick` turns the asked model name, which may be empty, into one to
    use."""
    router = APIRouter(
        prefix=PREFIX, route_class=LimitedRoute, dependencies=guard(credentials), tags=["ClipCap"]
    )

    def models() -> ModelsResponse:
        """The captioners that can be asked for by name."""
        return ModelsResponse(models=[model_item(entry) for entry in service.models()], default=pick(""))

    def caption(asked: CaptionRequest) -> CaptionResponse:
        """Caption one picture or several."""
        images = decode_images(pictures(asked))
        model = known_name(service, pick(asked.model))
        options = options_for(service, model, asked.options)
        result = service.caption(images, model, options)
        items = [caption_item(one) for one in result.captions]
        return CaptionResponse(
            caption=items[0].caption, captions=items, model=result.model, device=result.device,
            dtype=result.dtype, milliseconds=result.milliseconds,
        )  # fmt: skip

    def unload() -> UnloadResponse:
        """Free the captioner's memory; the next caption loads it again."""
        held = service.loaded()
        service.unload()
        return UnloadResponse(unloaded=held)

    # plain functions: fastapi runs them in threads, where waiting for the host's queue blocks nobody else
    router.add_api_route("/models", models, methods=["GET"], response_model=ModelsResponse)
    router.add_api_route("/caption", caption, methods=["POST"], response_model=CaptionResponse)
    router.add_api_route("/unload", unload, methods=["POST"], response_model=UnloadResponse)
    app.include_router(router)


def pictures(asked: CaptionRequest) -> list[str]:
    """The request's pictures as texts; UsageError if there are none, too many or two fields of them."""
    if (asked.image is None) == (asked.images is None):
        raise UsageError("Send either image (one picture) or images (a list of them), base64 or data: URIs.")
    texts = [asked.image] if asked.image is not None else asked.images or []
    if not 1 <= len(texts) <= MAX_IMAGES:
        raise UsageError(f"images must hold from 1 to {MAX_IMAGES} pictures, not {len(texts)}.")
    return texts


def known_name(service: CaptionService, model: str) -> str:
    """`model` if it is on the list: unlike the terminal, a request may not name a folder of this machine."""
    names = [entry.name for entry in service.models()]
    if model not in names:
        raise ModelNotFound(f"No model named {model!r}. Known: {', '.join(names) or 'none'}.")
    return model


def options_for(service: CaptionService, model: str, changes: dict[str, Any]) -> DecodingOptions | None:
    """The model's own options with the request's changes."""
    return service.default_options(model).with_changes(**changes) if changes else None


def caption_item(caption: Caption) -> CaptionItem:
    """Our words in the form of the wire."""
    candidates = [
        CandidateItem(
            text=one.text,
            avg_logprob=round(one.avg_logprob, DIGITS),
            similarity=None if one.similarity is None else round(one.similarity, DIGITS),
        )
        for one in caption.candidates
    ]
    return CaptionItem(caption=caption.text, candidates=candidates)


def model_item(entry: ModelEntry) -> ModelItem:
    """One row of the list."""
    kind = entry.config.kind if entry.config else ""
    return ModelItem(name=entry.name, kind=kind, size=entry.size, problem=entry.problem)
