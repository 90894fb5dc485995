"""The lines between `---` at the top of a card, which the Hub reads; the text below is not its business.

Each value is written as JSON, which is YAML too, so that the same lines are read again without a library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.sources import OPENAI

ENGLISH = ("flickr", "coco", "nocaps", "conceptual")  # data sets whose captions are known to be English
GPT2_REPO = "openai-community/gpt2"
_FRONT = re.compile(r"\A---\n(?P<lines>.*?)\n---\n+", re.DOTALL)
_WORDS = {"BLEU": "bleu", "METEOR": "meteor", "ROUGE": "rouge", "CIDEr": "cider", "SPICE": "spice"}


def hub_fields(
    licence: str, data: str, base_models: Sequence[str] = (), kind: str = "clipcap"
) -> dict[str, Any]:
    """Licence, language where it is known, data, base models, what it does: for weights trained on `data`."""
    named = {"license_name": (licence or "terms of the training data").replace(" ", "-")}
    english = any(word in data.lower() for word in ENGLISH)
    return {
        **({"license": licence} if licence in ("mit", "apache-2.0") else {"license": "other", **named}),
        **({"language": "en"} if english else {}),
        "library_name": "clipcap-ext",
        "pipeline_tag": "zero-shot-image-classification" if kind == "contrastive" else "image-to-text",
        "tags": ["clip"] if kind == "contrastive" else ["image-captioning", kind],
        **({"datasets": [data]} if data else {}),
        **({"base_model": list(base_models)} if base_models else {}),
    }


def base_models(encoder: EncoderConfig, gpt2: str = "") -> list[str]:
    """The Hub's names of what a captioner stands on; an encoder of ours, or a GPT-2 from scratch, is none."""
    known = OPENAI.get(encoder.model) if encoder.pretrained == "openai" else None
    names = [(known.transformers_repo or known.open_clip_repo) if known is not None else ""]
    names += [GPT2_REPO if gpt2 in ("gpt2", GPT2_REPO) else ""]
    return [name for name in names if name]


def with_front_matter(body: str, fields: Mapping[str, Any]) -> str:
    """A card: the fields, a line each, and the text below."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---", "", body])


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """The fields and the text below them; no fields where the card has none, or another wrote them."""
    front = _FRONT.match(card)
    if front is None:
        return {}, card
    fields: dict[str, Any] = {}
    try:
        for line in front["lines"].splitlines():
            name, _, value = line.partition(": ")
            fields[name] = json.loads(value)
    except ValueError:
        return {}, card
    return fields, card[front.end() :]


def with_scores(card: str, name: str, scores: Iterable[Mapping[str, Any]]) -> str:
    """The card with the Hub's `metrics` and `model-index` of the recorded scores; a card without fields of
    ours stays as it is."""
    fields, body = split_card(card)
    results = [_result(row) for row in scores if row.get("values")]
    if not fields or not results:
        return card
    metrics = list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))
    return with_front_matter(
        body, {**fields, "metrics": metrics, "model-index": [{"name": name, "results": results}]}
    )


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    """One recorded row as an entry of the model-index; the signature says the rest."""
    signature = str(row.get("signature", ""))
    said = dict(part.partition(":")[::2] for part in signature.split("|"))
    data = said.get("data", "unnamed")
    return {
        "task": {"type": "image-to-text", "name": "Image captioning"},
        "dataset": {
            "name": data, "type": data, "split": said.get("split", ""), "args": {"signature": signature},
        },
        "metrics": [
            {"type": _metric_word(name), "name": name, "value": value}
            for name, value in row["values"].items()
        ],
    }  # fmt: skip


def _metric_word(name: str) -> str:
    return next((word for start, word in _WORDS.items() if name.startswith(start)), name.lower())
