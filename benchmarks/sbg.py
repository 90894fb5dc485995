"""SBG with five candidates at full size against the procedure as first published, in one run, on random
weights

    python benchmarks/sbg.py --labels FOLDER --tokenizer FOLDER [--images 2] [--batch 16] [--threads 1]

As first published, for each image: the inner labels of every open branch and the final keywords are encoded
anew, all 77 ids of a text, and the prompt is continued five times, one after the other, to 256 tokens. (The
texts of the 1000 words and of the groups were kept there too.) Ours: every text is encoded once and kept;
five continuations share one prompt and run in one batch that ends at the first full stop; the text tower
reads no padding. It knows no batches of images; ours is timed for one image at a time and for --batch of them
together. Both sides see the same images; the published one is timed on the first --images of the batch.

Because the weights are random, two things are set. Random text features are nearly alike, and the softmax
would keep
hundreds of bank words: --words bounds them, for both sides, to what a trained CLIP keeps. A random GPT-2
rarely says a
full stop: our side ends after --caption-tokens, the length of a Flickr caption. The published side has the
key-value cache that transformers' pipeline gave it. It is timed over --sample-tokens tokens at the start and
at the end of the 256 and the rest is the mean of the two; --sample-tokens 0 runs all of it. A second row is
what the published generation would take if it ended by itself after a caption, as a well-trained model would
make it. Image encoding costs both sides the same, but for `fast`, whose image tower is in 8 bits; the ratio
is given without it and with it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from benchmarks.decoding import loaded
from benchmarks.measure import publish, table
from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer, load_tokenizer
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import build_clip
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.text import ClipTokens
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL, Gpt2, build_gpt2
from clipcap_ext.engine.precision.processor import quick_in_bf16
from clipcap_ext.engine.sbg.captioner import SbgCaptioner
from clipcap_ext.engine.sbg.constants import SelectionConstants
from clipcap_ext.engine.sbg.label_files import read_bank
from clipcap_ext.engine.sbg.labels import LabelBank
from clipcap_ext.engine.sbg.prompt import format_prompt
from clipcap_ext.engine.sbg.selector import BRANCHES, KeywordSelector
from clipcap_ext.engine.sbg.tree import KeywordTree
from clipcap_ext.engine.towers.clip_model import ClipModel

CANDIDATES, PUBLISHED_LENGTH = 5, 256


def main() -> None:
    """Measure, print and write the table."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clip = build_clip(open_clip.get_model_config("ViT-L-14"))
    encoder = ClipEncoder(clip, Preprocess(), ClipTokens(77), EncoderConfig("ViT-L-14", "", True)).to(
        args.device
    )
    gpt2 = build_gpt2(GPT2_SMALL).eval().to(args.device)
    tokenizer = load_tokenizer(args.tokenizer)
    bank = read_bank(args.labels)
    start = time.perf_counter()
    halved = args.device != "cpu" or quick_in_bf16()
    with torch.autocast(args.device, torch.bfloat16, enabled=halved):  # 13 000 texts, once; in no ratio
        selector = KeywordSelector.build(encoder, bank, SelectionConstants(words_most=args.words), args.cache)
    once = time.perf_counter() - start
    options = DecodingOptions(
        max_new_tokens=args.caption_tokens, temperature=1.0, top_k=50, num_candidates=CANDIDATES,
        rank_by="similarity", seed=0,
    )  # fmt: skip
    ours = SbgCaptioner("sbg", encoder, loaded(gpt2), tokenizer, selector, options)
    fast = SbgCaptioner(
        "sbg", encoder, loaded(gpt2), tokenizer, selector, options.with_changes(precision="fast")
    )
    pixels = torch.randn(args.batch, 3, 224, 224)
    features, image_seconds = encoded(encoder, pixels)
    encoded(encoder.quick, pixels[:1])
    _, quick_image_seconds = encoded(encoder.quick, pixels)
    captions, alone = our_captions(ours, features[: args.images], 1)
    _, together = our_captions(ours, features, args.batch)
    quick_alone, quick_together = (
        our_captions(fast, features[:images], batch)[1]
        for images, batch in ((args.images, 1), (args.batch, args.batch))
    )
    text_seconds, texts = published_texts(clip, bank, selector.trees(features[: args.images]))
    prompts = [format_prompt(caption.keywords) for caption in captions]
    generation = [published_generation(gpt2, tokenizer, prompt, args.sample_tokens) for prompt in prompts]
    first_seconds = text_seconds / args.images + sum(generation) / args.images
    stopped = sum(
        published_generation(gpt2, tokenizer, prompt, 0, args.caption_tokens + 1) for prompt in prompts
    )
    stopped_seconds = (text_seconds + stopped) / args.images
    stopped_tokens = args.caption_tokens + 1
    ways = {
        f"as first published: texts anew, {CANDIDATES} x {PUBLISHED_LENGTH} tokens": first_seconds,
        f"the same, had it stopped by itself after {stopped_tokens} tokens": stopped_seconds,
        "ours, one image at a time": alone,
        f"ours, {args.batch} images together": together,
        "ours, fast, one image at a time": quick_alone,
        f"ours, fast, {args.batch} images together": quick_together,
    }
    rows = []
    for way, took in ways.items():
        looking = quick_image_seconds if "fast" in way else image_seconds
        whole = (first_seconds + image_seconds) / (took + looking)
        rows.append([way, f"{took:.2f}", f"{first_seconds / took:.1f}", f"{whole:.1f}"])
    header = [
        "SBG, best of five, ViT-L/14 and GPT-2 small",
        "seconds an image",
        "times as fast",
        "with image encoding",
    ]
    rest = (
        f"Encoding an image took {image_seconds:.2f} s, fast {quick_image_seconds:.2f} s; "
        f"the {texts / args.images:.0f} labels and captions that the published way encodes for each "
        f"{text_seconds / args.images:.1f} s; the texts ours keeps {once:.0f} s once."
    )
    publish("sbg", f"{table(header, rows)}\n\n{rest}")


def arguments() -> argparse.Namespace:
    """The words of the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--labels", type=Path, required=True, help="the published label list and taxonomy")
    made.add_argument("--tokenizer", type=Path, required=True, help="GPT-2's vocab.json and merges.txt")
    made.add_argument(
        "--images", type=int, default=2, help="images timed on the published side, and ours alone"
    )
    made.add_argument("--batch", type=int, default=16, help="images that ours captions together")
    made.add_argument("--words", type=int, default=12, help="bank words an image gets, on both sides")
    made.add_argument("--caption-tokens", type=int, default=14, help="tokens of a caption on our side")
    made.add_argument(
        "--sample-tokens", type=int, default=16, help="tokens timed at each end of 256; 0 is all of them"
    )
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--device", default="cpu")
    made.add_argument(
        "--cache", type=Path, help="folder of text features, to spare the one encoding a second time"
    )
    return made.parse_args()


def encoded(encoder: ClipEncoder, pixels: Tensor) -> tuple[Tensor, float]:
    """The features of pixels (B, 3, H, W), encoded together, and seconds an image."""
    start = time.perf_counter()
    features = encoder.encode_image(pixels)
    return features, (time.perf_counter() - start) / len(pixels)


def our_captions(ours: SbgCaptioner, features: Tensor, batch: int) -> tuple[list[Caption], float]:
    """Captions of features, `batch` images at a time, and the seconds an image took (after one untimed
    call)."""
    keys = [str(i) for i in range(len(features))]
    ours.caption_features(features[:batch], keys[:batch])
    start = time.perf_counter()
    captions: list[Caption] = []
    for i in range(0, len(features), batch):
        captions += ours.caption_features(features[i : i + batch], keys[i : i + batch])
    return captions, (time.perf_counter() - start) / len(features)


@torch.inference_mode()
def published_texts(clip: ClipModel, bank: LabelBank, trees: list[KeywordTree]) -> tuple[float, int]:
    """Seconds for the texts encoded anew for these images, in the published batches, and how many they
    are."""
    batches: list[list[str]] = []
    taxonomy = dict(BRANCHES.values())
    for tree in trees:
        for branch in tree.branches:
            if branch.opened and branch.facet in taxonomy:
                labels = bank.groups(taxonomy[branch.facet])[branch.keywords[0]]
                batches.append([f"picture of {one}." for one in labels])
            elif branch.opened and branch.facet == "activity":
                batches.append(
                    [f"activity is {one}." for one in bank.groups("activity")[branch.groups[0].text]]
                )
        batches.append([keyword.text for keyword in tree.keywords])
        batches.append(["a dog runs in the snow ."] * CANDIDATES)
    batches = [batch[:100] for batch in batches if batch]
    tokens = ClipTokens(77)
    start = time.perf_counter()
    for batch in batches:
        clip.encode_text(tokens(batch).to(clip.logit_scale.device))
    return time.perf_counter() - start, sum(map(len, batches))


@torch.inference_mode()
def published_generation(
    gpt2: Gpt2, tokenizer: BpeTokenizer, prompt: str, sample: int, most: int = PUBLISHED_LENGTH
) -> float:
    """Seconds of five continuations of a prompt to 256 tokens in all (or `most` new ones), one after the
    other."""
    ids = torch.tensor([tokenizer.encode(prompt)], device=gpt2.device)
    count = min(PUBLISHED_LENGTH - ids.shape[1], most)
    if not sample or 2 * sample >= count:
        return sum(_continue(gpt2, ids, count) for _ in range(CANDIDATES))
    late = torch.cat((ids, ids.new_full((1, count - sample), ids[0, -1].item())), dim=1)
    prompt_seconds = _continue(gpt2, ids, 1)
    begin = (_continue(gpt2, ids, sample + 1) - prompt_seconds) / sample
    end = (_continue(gpt2, late, sample + 1) - _continue(gpt2, late, 1)) / sample
    return CANDIDATES * (prompt_seconds + (count - 1) * (begin + end) / 2)


def _continue(gpt2: torch.nn.Module, ids: Tensor, count: int) -> float:
    """Seconds to sample `count` tokens (top 50) after `ids` (1, P) with the cache."""
    start = time.perf_counter()
    past, step = None, ids
    for _ in range(count):
        said = gpt2(step, past_key_values=past, use_cache=True)
        past = said.past_key_values
        best = said.logits[:, -1].topk(50)
        step = best.indices.gather(1, torch.multinomial(best.values.softmax(-1), 1))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
