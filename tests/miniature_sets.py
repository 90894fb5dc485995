"""COCO, nocaps and Conceptual Captions as they are published, with a few drawn photos; not a test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tiny_tasks import COLOURS, captions_of

DOMAINS = ("in-domain", "near-domain", "out-domain")  # the words of the real file

VALIDATION_TABLE = "Validation_GCC-1.1.0-Validation.tsv"  # as it is distributed


def write_nocaps(folder: Path) -> Path:
    """nocaps_val_4500_captions.json, nocaps_test_image_info.json, val/ and test/; returns the former."""
    parts = {part: [_nocaps_image(i, part) for i in range(6)] for part in ("val", "test")}
    for part, images in parts.items():
        (folder / part).mkdir(parents=True)
        for i, image in enumerate(images):
            draw(folder / part / image["file_name"], i, mark=30 + i + 6 * (part == "test"))
    annotations = [
        {"image_id": i, "id": 10 * i + k, "caption": text}
        for i in range(6)
        for k, text in enumerate(captions_of(i))
    ]
    _write(folder / "nocaps_val_4500_captions.json", images=parts["val"], annotations=annotations)
    hidden = [{key: value for key, value in image.items() if key != "domain"} for image in parts["test"]]
    _write(folder / "nocaps_test_image_info.json", images=hidden)
    return folder / "nocaps_val_4500_captions.json"


def _nocaps_image(i: int, part: str) -> dict[str, Any]:
    name = f"{'0013ea' if part == 'val' else '9a3c51'}{i:010x}"
    return {
        "license": 0, "id": i, "open_images_id": name, "file_name": f"{name}.jpg", "width": 48, "height": 40,
        "coco_url": f"https://example.org/{part}/{name}.jpg", "date_captured": "2018-11-06 11:04:33",
        "domain": DOMAINS[i % 3],
    }  # fmt: skip


def write_coco(folder: Path) -> Path:
    """annotations/captions_val2014.json, Karpathy's dataset_coco.json with all three parts, and
    image_info_test2014.json, with the photos in val2014 and test2014; returns `folder`."""
    names = [f"COCO_val2014_{391895 + 7 * i:012}.jpg" for i in range(14)]
    (folder / "annotations").mkdir(parents=True)
    for part in ("val2014", "test2014"):
        (folder / part).mkdir()
    for i, name in enumerate(names):
        draw(folder / "val2014" / name, i, mark=i)
    images = [{"id": 391895 + 7 * i, "file_name": name, "width": 48, "height": 40, "license": 3}
              for i, name in enumerate(names)]  # fmt: skip
    annotations = [{"image_id": 391895 + 7 * i, "id": 10 * i + k, "caption": text}
                   for i in range(14) for k, text in enumerate(captions_of(i))]  # fmt: skip
    _write(folder / "annotations" / "captions_val2014.json", images=images, annotations=annotations)
    parts = ["train"] * 8 + ["val"] * 2 + ["restval"] * 2 + ["test"] * 2
    split = [
        {"filepath": "val2014", "filename": name, "imgid": i, "cocoid": 391895 + 7 * i, "split": parts[i],
         "sentids": [10 * i + k for k in range(5)],
         "sentences": [{"raw": text, "tokens": text.lower().split(), "imgid": i} for text in captions_of(i)]}
        for i, name in enumerate(names)
    ]  # fmt: skip
    _write(folder / "dataset_coco.json", images=split, dataset="coco")
    tested = [{"id": 5 + i, "file_name": f"COCO_test2014_{5 + i:012}.jpg"} for i in range(3)]
    for i, image in enumerate(tested):
        draw(folder / "test2014" / str(image["file_name"]), i, mark=20 + i)
    _write(folder / "annotations" / "image_info_test2014.json", images=tested, categories=[])
    return folder


def write_instances(
    folder: Path, marked: Mapping[int, Sequence[str]], name: str = "instances_val2014.json",
    called: str = "COCO_val2014_{:012}.jpg",
) -> Path:  # fmt: skip
    """annotations/`name` of COCO's in `folder`: the categories marked in each photo, by its id."""
    categories = sorted({one for names in marked.values() for one in names} | {"person"})
    numbers = {category: 10 + place for place, category in enumerate(categories)}
    boxes = [(photo, one) for photo, names in marked.items() for one in names]
    _write(
        folder / "annotations" / name,
        images=[{"id": photo, "file_name": called.format(photo)} for photo in marked],
        annotations=[{"id": place, "image_id": photo, "category_id": numbers[one], "bbox": [0, 0, 9, 9]}
                     for place, (photo, one) in enumerate(boxes)],
        categories=[{"id": number, "name": one, "supercategory": ""} for one, number in numbers.items()],
    )  # fmt: skip
    return folder / "annotations" / name


def write_conceptual(folder: Path) -> Path:
    """Train_GCC-training.tsv and Validation_GCC-1.1.0-Validation.tsv, caption and address without a header,
    and the pictures fetched, called by their rows, in train/ and validation/; one of each was not; returns
    `folder`."""
    tables = {"train": ("Train_GCC-training.tsv", 10), "validation": (VALIDATION_TABLE, 5)}
    for part, (name, rows) in tables.items():
        (folder / part).mkdir(parents=True)
        lines = [f"{captions_of(i)[0]}\thttps://pictures.example/{part}/{i}.jpg?w=1" for i in range(rows)]
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for i in range(rows - 1):
            draw(folder / part / f"{i:08d}.jpg", i, mark=i + 20 * (part == "validation"))
    return folder


def draw(path: Path, i: int, mark: int) -> None:
    """Two squares; no two files alike, for each has another mark."""
    colours = list(COLOURS.values())
    picture = Image.new("RGB", (48, 40), colours[i % 4])
    picture.paste(colours[(i // 4 + 1) % 4], (24, 0, 48, 40))
    picture.putpixel((mark, 0), (0, 0, 0))
    picture.save(path, quality=95)


def _write(path: Path, **parts: Any) -> None:
    content = {"info": {"version": "0.1"}, "licenses": [], **parts}
    path.write_text(json.dumps(content), encoding="utf-8")
