"""The command `convert`: published weights, a state dict in one file, made into a checkpoint folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.catalog import find_encoder_folder
from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.published.conversion import convert_file
from clipcap_ext.engine.published.inspection import converted_folder, inspect_file
from clipcap_ext.engine.published.parts import ENCODERS, PublishedParts
from clipcap_ext.engine.published.plain_weights import write_as_safetensors
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT
from clipcap_ext.errors import ModelNotFound

EXAMPLES = """examples:
  python -m clipcap_ext convert flickr8k_gradient.pt                     # into flickr8k_gradient/ beside it
  python -m clipcap_ext convert coco_weights.pt coco --tokenizer gpt2/   # vocab.json and merges.txt of GPT-2
  python -m clipcap_ext convert mine.pt mine --encoder ViT-B-32/laion2b_s34b_b79k --normalize
  python -m clipcap_ext convert demo_final.ckpt           # TheoCoombes/ClipCap's, by its demo_config.yaml
  python -m clipcap_ext convert model_base_caption_capfilt_large.pth blip --tokenizer bert/   # vocab.txt
  python -m clipcap_ext convert unknown.pt --inspect                     # only say what it is
Features of 512, 640 and 768 numbers are taken for those of ViT-B-32, RN50x4 (both not normalised) and
ViT-L-14 (normalised), as the published weights have them. A file that is not a plain state dict is refused,
never run."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "convert", help="make a checkpoint folder of published weights (.pt)", epilog=EXAMPLES,
        description="Make a checkpoint folder of a ClipCap's, a GPT-2's or a BLIP captioner's state dict "
        "(.pt, .pth, .bin, .safetensors). "
        "The architecture is told by the shapes; the file itself stays as it is.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the state dict")
    parser.add_argument(
        "out",
        type=Path,
        nargs="?",
        metavar="OUT",
        help="the new folder (default: beside FILE), or a .safetensors for the weights as they are",
    )
    parser.add_argument(
        "--inspect", action="store_true", help="only say what FILE holds, or why it is refused"
    )
    vocabulary = (
        "folder with vocab.json and merges.txt, for a BLIP vocab.txt (default: beside FILE, then GPT-2's "
        "or BERT's in the Hugging Face cache)"
    )
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help=vocabulary)
    encoder = (
        "open_clip's MODEL/PRETRAINED, a MODEL of openai's, or an encoder folder (default: by the shapes)"
    )
    parser.add_argument("--encoder", metavar="NAME", help=encoder)
    unit = (
        "whether features are scaled to unit norm (default: as the published weights of that length have it)"
    )
    parser.add_argument("--normalize", action=argparse.BooleanOptionalAction, default=None, help=unit)
    base = "folder of the GPT-2 behind a file that holds a mapper alone (default: gpt2 in the Hub's cache)"
    parser.add_argument("--gpt2", type=Path, metavar="DIR", help=base)
    bank = "label bank of an SBG, a file or folder (default: the bundled one)"
    parser.add_argument("--labels", type=Path, metavar="PATH", help=bank)
    heads = (
        "what TheoCoombes/ClipCap's training wrote, with the mapper's heads and the encoder "
        "(default: NAME_config.yaml beside NAME_*.ckpt)"
    )
    parser.add_argument("--run-config", type=Path, metavar="FILE", help=heads)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """One line on what the file is, and the folder made; CheckpointError says why it is refused."""
    if args.out is not None and args.out.suffix == ".safetensors":
        write_as_safetensors(args.file, args.out)
        streams.result(str(args.out))
        return 0
    layout = inspect_file(args.file)
    if args.inspect:
        streams.result(f"{args.file}  {layout}")
        return 0
    streams.say(f"{args.file}: {layout}")
    parts = PublishedParts(
        tokenizer=args.tokenizer, encoder=_encoder(args.encoder, args.file), normalize=args.normalize,
        gpt2=args.gpt2, labels=args.labels, run_config=args.run_config,
    )  # fmt: skip
    out = convert_file(args.file, args.out or converted_folder(args.file), parts)
    if layout.kind == IMAGE_TO_TEXT:
        streams.result(str(out))
        return 0
    encoder = read_config(out).clip
    scaled = "scaled to unit norm" if encoder.normalize else "not scaled"
    streams.say(f"Features of {' '.join(filter(None, (encoder.model, encoder.pretrained)))}, {scaled}.")
    streams.result(str(out))
    return 0


def _encoder(name: str | None, file: Path) -> EncoderConfig | None:
    """MODEL/PRETRAINED; an encoder folder's name; else a model of openai's, as published weights use it."""
    if name is None:
        return None
    model, _, pretrained = name.partition("/")
    if pretrained:
        return EncoderConfig(model, pretrained)
    try:
        find_encoder_folder(name, file.parent)
    except ModelNotFound:
        published = {encoder.model: encoder for encoder in ENCODERS.values()}
        return published.get(name, EncoderConfig(name, "openai"))
    return EncoderConfig(name, "")
