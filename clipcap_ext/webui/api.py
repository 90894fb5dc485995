"""The REST routes /clipcap/v1/*: models, caption, unload, folders. No interface; it fetches no address.

Written for pydantic 1 and 2 and for every fastapi from 0.94: models are plain fields, checks are code below.
"""

# No `from __future__ import annotations`: fastapi and pydantic 1 read the annotations as they are made.
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import VERSION, BaseModel, Field

from clipcap_ext.caption import DIGITS, Caption, DecodingOptions
from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.errors import ImageError, ModelNotFound, UsageError, printable
from clipcap_ext.files import to_digits
from clipcap_ext.flags import join_options
from clipcap_ext.service.doubt_words import doubt_text
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.folder_api import add_folder_routes
from clipcap_ext.webui.option_schema import options_schema
from clipcap_ext.webui.payload import MAX_IMAGES, decode_images
from clipcap_ext.webui.rest_guard import Access, GuardedRoute, dependencies

PREFIX = "/clipcap/v1"
MAX_TEXT = 2000  # letters of a caption to judge


def options_field() -> Any:
    """Decoding options, each with its range; pydantic 1 takes words of JSON schema as they are."""
    schema = options_schema()
    words: dict[str, Any] = schema if VERSION.startswith("1.") else {"json_schema_extra": schema}
    return Field({}, title="Options", description="Decoding options that differ from the model's.", **words)


class CaptionRequest(BaseModel):
    """What POST caption takes: `image` or `images`."""

    image: str | None = Field(None, title="Image", description="One picture, base64 or a data: URI.")
    images: list[str] | None = Field(
        None, title="Images", description=f"Up to {MAX_IMAGES} of them, in one batch."
    )
    model: str = Field(
        "", title="Model", description="A name from GET models; empty is the one of the settings page."
    )
    options: dict[str, Any] = options_field()


class CandidateItem(BaseModel):
    """One text the model considered."""

    text: str = Field(..., title="Text")
    avg_logprob: float = Field(
        ..., title="Mean log-probability a token", description="In nats; nearer 0 is likelier."
    )
    similarity: float | None = Field(
        None, title="Similarity", description="Cosine with the picture, where ranked."
    )
    score: float | None = Field(
        None, title="Score", description="Similarity and likelihood in one, where both together ranked."
    )


class KeywordItem(BaseModel):
    """A keyword that the model guessed from, or a tag."""

    text: str = Field(..., title="Text")
    facet: str = Field(
        ..., title="Facet", description="What it tells of: subject, scene; general, character."
    )
    similarity: float = Field(..., title="Similarity", description="To the picture; a tag's probability.")


class CaptionItem(BaseModel):
    """What the model says of one picture."""

    caption: str = Field(..., title="Caption", description="Empty where there is a problem.")
    candidates: list[CandidateItem] = Field(..., title="Candidates", description="Best first.")
    keywords: list[KeywordItem] = Field(
        default=[], title="Keywords", description="What the model saw, if it tells."
    )
    problem: str = Field(
        default="", title="Problem", description="Why this picture of several could not be read."
    )
    not_sure: str = Field(
        default="", title="Not sure", description="Why the caption may well be wrong; mostly empty."
    )


class CaptionResponse(BaseModel):
    """Captions in the order of the pictures; `caption` repeats the first."""

    caption: str = Field(..., title="Caption")
    captions: list[CaptionItem] = Field(..., title="Captions")
    model: str = Field(..., title="Model")
    device: str = Field(..., title="Device")
    dtype: str = Field(..., title="Number type")
    milliseconds: float = Field(..., title="Milliseconds", description="Captioning alone, without loading.")


class JudgeRequest(BaseModel):
    """What POST judge takes."""

    image: str = Field(..., title="Image", description="One picture, base64 or a data: URI.")
    captions: list[str] = Field(..., title="Captions", description=f"Up to {MAX_IMAGES}, whoever wrote them.")
    model: str = Field("", title="Model", description="Whose CLIP judges; empty is the settings page's.")


class WordItem(BaseModel):
    """A word of a caption, text[start:end]."""

    text: str = Field(..., title="Text")
    start: int = Field(..., title="Start")
    end: int = Field(..., title="End")
    gain: float = Field(..., title="Gain", description="How much nearer the caption is with the word.")
    share: float = Field(..., title="Share", description="The gain as a share of the sentence's similarity.")
    without: str = Field(..., title="Without", description="The caption without it, mended.")
    unsupported: bool = Field(..., title="Unsupported", description="The picture speaks against it.")


class JudgementItem(BaseModel):
    """A caption's similarity to the picture, and its words of meaning."""

    text: str = Field(..., title="Text")
    similarity: float = Field(..., title="Similarity")
    words: list[WordItem] = Field(..., title="Words")


class JudgeResponse(BaseModel):
    """Judgements in the order of the captions, and the model whose CLIP judged."""

    judgements: list[JudgementItem] = Field(..., title="Judgements")
    judge: str = Field(..., title="Judge")


class ModelItem(BaseModel):
    """A model that can be asked for, or the reason why it cannot."""

    name: str = Field(..., title="Name")
    kind: str = Field(
        ...,
        title="Kind",
        description="clipcap, sbg, merge-rnn, transformers, tagger; empty if it cannot be read.",
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


def add_api(
    app: FastAPI, service: CaptionService, access: Access, pick: Callable[[str], str] = lambda name: name
) -> None:
    """Add the routes to the host's app. `pick` turns the asked model name, which may be empty, into one to
    use."""
    router = APIRouter(
        prefix=PREFIX, route_class=GuardedRoute, dependencies=dependencies(access), tags=["ClipCap"]
    )

    def models() -> ModelsResponse:
        """The captioners that can be asked for by name."""
        return ModelsResponse(models=[model_item(entry) for entry in service.models()], default=pick(""))

    def choose(name: str, options: dict[str, Any]) -> tuple[str, DecodingOptions]:
        """A model's name and its decoding, as they were asked for."""
        model = known_name(service, pick(name))
        return model, options_for(service, model, options) or service.default_options(model)

    def caption(asked: CaptionRequest) -> CaptionResponse:
        """Caption one picture or several."""
        model = known_name(service, pick(asked.model))
        options = options_for(service, model, asked.options)
        read = decode_images(pictures(asked))
        images = [picture for picture in read if not isinstance(picture, ImageError)]
        if not images:
            raise next(picture for picture in read if isinstance(picture, ImageError))
        result = service.caption(images, model, options)
        captions = iter(result.captions)
        items = [
            problem_item(picture) if isinstance(picture, ImageError) else caption_item(next(captions))
            for picture in read
        ]
        return CaptionResponse(
            caption=items[0].caption, captions=items, model=result.model, device=result.device,
            dtype=result.dtype, milliseconds=result.milliseconds,
        )  # fmt: skip

    def judge(asked: JudgeRequest) -> JudgeResponse:
        """How near captions are to a picture, whoever wrote them, and which words it does not support."""
        return judge_captions(service, known_name(service, pick(asked.model)), asked)

    def unload() -> UnloadResponse:
        """Free the captioner's memory; the next caption loads it again."""
        held = service.loaded()
        service.unload()
        return UnloadResponse(unloaded=held)

    # plain functions: fastapi runs them in threads, where waiting for the host's queue blocks nobody else
    router.add_api_route("/models", models, methods=["GET"], response_model=ModelsResponse)
    router.add_api_route("/caption", caption, methods=["POST"], response_model=CaptionResponse)
    router.add_api_route("/judge", judge, methods=["POST"], response_model=JudgeResponse)
    router.add_api_route("/unload", unload, methods=["POST"], response_model=UnloadResponse)
    if service.host.directories_allowed:
        add_folder_routes(router, service, choose)
    app.include_router(router)


def judge_captions(service: CaptionService, model: str, asked: JudgeRequest) -> JudgeResponse:
    """The answer by that model's CLIP; UsageError for too many captions or too long ones."""
    if not 1 <= len(asked.captions) <= MAX_IMAGES or max(map(len, asked.captions)) > MAX_TEXT:
        raise UsageError(f"captions must hold from 1 to {MAX_IMAGES} texts of {MAX_TEXT} letters at most.")
    image = decode_images([asked.image])[0]
    if isinstance(image, ImageError):
        raise image
    with service.work("Judging", 1, model) as work:
        judged = work.judge(image, asked.captions)
    items = [JudgementItem(**to_digits(one.to_dict(), DIGITS)) for one in judged.judgements]
    return JudgeResponse(judgements=items, judge=judged.judge)


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
    """The model's own options joined with the request's, as the terminal joins them with its flags."""
    if not changes:
        return None
    defaults = service.default_options(model)
    unknown = sorted(set(changes) - set(asdict(defaults)))
    if unknown:
        raise UsageError(
            f"Unknown decoding option {printable(unknown[0])[:60]!r}; known: {', '.join(asdict(defaults))}."
        )
    try:
        return join_options(defaults, changes, service.lacking(model))
    except TypeError:  # a list where a number belongs: this says which
        return defaults.with_changes(**changes)


def caption_item(caption: Caption) -> CaptionItem:
    """Our words in the form of the wire."""
    candidates = [
        CandidateItem(
            text=candidate.text,
            avg_logprob=round(candidate.avg_logprob, DIGITS),
            similarity=None if candidate.similarity is None else round(candidate.similarity, DIGITS),
            score=None if candidate.score is None else round(candidate.score, DIGITS),
        )
        for candidate in caption.candidates
    ]
    keywords = [
        KeywordItem(text=one.text, facet=one.facet, similarity=round(one.similarity, DIGITS))
        for one in caption.keywords
    ]
    not_sure = doubt_text(caption.doubt) if caption.doubt else ""
    return CaptionItem(caption=caption.text, candidates=candidates, keywords=keywords, not_sure=not_sure)


def problem_item(error: ImageError) -> CaptionItem:
    """The place of a picture that could not be read."""
    return CaptionItem(caption="", candidates=[], problem=str(error))


def model_item(entry: ModelEntry) -> ModelItem:
    """One row of the list."""
    kind = entry.config.kind if entry.config else ""
    return ModelItem(name=entry.name, kind=kind, size=entry.size, problem=entry.problem)
