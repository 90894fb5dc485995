"""Images that are named and not captioned: COCO's and nocaps' image lists for their test servers; no captions
here."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, ImageFinder, read_json
from clipcap_ext.corpus.examples import Corpus, Example
from clipcap_ext.errors import CorpusError


def read_image_list(path: Path, images: Path | None = None) -> Corpus:
    """Every image of a file with `images` of id and file_name (image_info_test2014.json,
    nocaps_test_image_info.json, and the files with captions too), in its order, without captions.

    images: their folder, if it lies elsewhere. CorpusError for another file, or unless every picture is there
    and has a number of its own: a server takes no list with gaps.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is no file: name the JSON that lists the images, with their ids.")
    content = read_json(path)
    listed = content.get("images") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        raise CorpusError(f"{path} has no list of images: it is no image list of COCO's or nocaps'.")
    collector = Collector(ImageFinder(path.parent, images))
    examples: dict[int, Example] = {}
    for number, image in enumerate(listed):
        example = _example(image, collector)
        if example is None or example.number is None or example.number in examples:
            raise CorpusError(f"{path}, images[{number}] has no id and file_name of its own.")
        examples[example.number] = example
    lost = [example.image_id for example in examples.values() if not example.path.is_file()]
    if lost:
        raise CorpusError(
            f"{len(lost)} of the {len(examples)} images of {path.name} are not here, such as {lost[0]}. Name "
            "their folder with --images."
        )
    return Corpus(path.resolve().parent.name, tuple(examples.values()))


def _example(image: object, collector: Collector) -> Example | None:
    if not isinstance(image, dict) or not isinstance(name := image.get("file_name"), str):
        return None
    collector.describe(name, image.get("id"), image.get("domain"))
    path = collector.finder.find(name) or collector.finder.folders[0] / name
    number, domain = collector.numbers.get(name), collector.domains.get(name)
    return Example(name, path, (), number=number, domain=domain)
