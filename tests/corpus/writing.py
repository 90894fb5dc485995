"""Writes tiny data sets in each layout, all of the same three images; not a test."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

CAPTIONS = {
    "a.jpg": ("A dog runs .", 'A dog , "Rex" , runs .'),
    "b.jpg": ("Two men in hats .", "Men sitting , talking ."),
    "c.jpg": ("A café at night .", "Snow ."),
}
SPLITS = {"a.jpg": "train", "b.jpg": "val", "c.jpg": "test"}
LISTS = {"train": "train", "val": "dev", "test": "test"}


def write_images(folder: Path) -> None:
    """A file for each image, each of its own colour."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(CAPTIONS):
        Image.new("RGB", (40 + number, 30), (80 * number, 90, 200)).save(folder / name)


def write_lists(root: Path) -> None:
    """The three official lists."""
    for name, split in SPLITS.items():
        (root / f"Flickr_8k.{LISTS[split]}Images.txt").write_text(f"{name}\n", encoding="utf-8")


def quoted(text: str) -> str:
    """As the csv module would quote a cell that needs it."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def kaggle(root: Path) -> None:
    write_images(root / "Images")
    write_lists(root)
    rows = [f"{name},{quoted(text)}\n" for name, texts in CAPTIONS.items() for text in texts]
    (root / "captions.txt").write_text("image,caption\n" + "".join(rows), encoding="utf-8")


def kaggle_flickr30k(root: Path) -> None:
    write_images(root / "flickr30k_images")
    write_lists(root)
    rows = [f"{name}| {n}| {text}\n" for name, texts in CAPTIONS.items() for n, text in enumerate(texts)]
    (root / "results.csv").write_text(
        "image_name| comment_number| comment\n" + "".join(rows), encoding="utf-8"
    )


def split_column(root: Path) -> None:
    write_images(root / "images")
    rows = [f"{name},{SPLITS[name]},{quoted(text)}\n" for name, texts in CAPTIONS.items() for text in texts]
    (root / "captions.csv").write_text("image,split,caption\n" + "".join(rows), encoding="utf-8-sig")


def flickr_token(root: Path) -> None:
    write_images(root / "Flicker8k_Dataset")
    write_lists(root)
    rows = [f"{name}#{n}\t{text}\n" for name, texts in CAPTIONS.items() for n, text in enumerate(texts)]
    (root / "Flickr8k.token.txt").write_text("".join(rows), encoding="utf-8")


def karpathy(root: Path) -> None:
    write_images(root / "images")
    images = [
        {
            "filename": name,
            "split": SPLITS[name].replace("train", "restval"),
            "sentences": [{"raw": t} for t in texts],
        }
        for name, texts in CAPTIONS.items()
    ]
    (root / "dataset_coco.json").write_text(
        json.dumps({"images": images, "dataset": "coco"}), encoding="utf-8"
    )


def coco(root: Path) -> None:
    write_images(root / "train2017")
    (root / "annotations").mkdir()
    for name, texts in CAPTIONS.items():
        split = SPLITS[name]
        content = {
            "images": [{"id": 7, "file_name": name}],
            "annotations": [{"image_id": 7, "id": n, "caption": text} for n, text in enumerate(texts)],
        }
        path = root / "annotations" / f"captions_{split}2017.json"
        path.write_text(json.dumps(content), encoding="utf-8")


def metadata_jsonl(root: Path) -> None:
    write_images(root)
    rows = [
        json.dumps({"file_name": n, "text": list(t), "split": SPLITS[n]}) + "\n" for n, t in CAPTIONS.items()
    ]
    (root / "metadata.jsonl").write_text("".join(rows), encoding="utf-8")


def metadata_csv(root: Path) -> None:
    """As spreadsheets and the `datasets` library write it: quotes where they are needed, a row a caption."""
    write_images(root)
    with (root / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file_name", "text", "split"])
        table.writerows([name, text, SPLITS[name]] for name, texts in CAPTIONS.items() for text in texts)


def semicolons(root: Path, encoding: str = "utf-8-sig") -> None:
    """As a spreadsheet saves it where the comma is the decimal mark."""
    write_images(root / "Images")
    rows = [f"{name};{quoted(text)};{SPLITS[name]}" for name, texts in CAPTIONS.items() for text in texts]
    text = "\r\n".join(["image;caption;split", *rows]) + "\r\n"
    (root / "captions.csv").write_bytes(text.encode(encoding))


def utf_16(root: Path) -> None:
    """As a spreadsheet saves "Unicode text"."""
    semicolons(root, "utf-16")


def sidecar(root: Path) -> None:
    write_images(root)
    for name, texts in CAPTIONS.items():
        (root / name).with_suffix(".txt").write_text("\r\n".join(texts) + "\n\n", encoding="utf-8")


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "kaggle": ("kaggle", kaggle), "kaggle-flickr30k": ("kaggle", kaggle_flickr30k),
    "kaggle-split-column": ("kaggle", split_column), "flickr-token": ("flickr-token", flickr_token),
    "karpathy": ("karpathy", karpathy), "coco": ("coco", coco),
    "metadata-jsonl": ("metadata", metadata_jsonl),
    "metadata-csv": ("metadata", metadata_csv), "semicolons": ("kaggle", semicolons),
    "utf-16": ("kaggle", utf_16), "sidecar": ("sidecar", sidecar),
}  # fmt: skip
