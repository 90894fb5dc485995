"""The doors through which files and requests of other people come in, each fed with one mutant. Not a
test."""

from __future__ import annotations

import io
import json
import random
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fuzz.mutants import bytes_mutant, json_mutant
from PIL import Image

CAPTIONS = {"a.jpg": ["a dog runs", "two dogs"], "b.jpg": ["a red ball"], "c.jpg": ["snow"]}
Door = Callable[[random.Random], Any]


class Doors:
    """Every door over one folder of sound files, which `models` (tiny ones, treated as read-only) helps to
    make."""

    def __init__(self, root: Path, models: Path) -> None:
        self.root, self.models = root, models
        self.photos = root / "photos"
        self.photos.mkdir()
        for name in CAPTIONS:
            Image.new("RGB", (8, 8), "red").save(self.photos / name)
        self._web: Any = None

    def all(self) -> dict[str, Door]:
        """Door by name."""
        return {
            "config.json": self.config, "models.json": self.models_json, "encoder": self.encoder,
            "label bank": self.labels, "data set, JSON": self.data_json, "data set, lines": self.data_lines,
            "data set, table": self.data_table, "data set, tar": self.data_tar,
            "features.json": self.features,
            "Hub's list": self.listing, "pins.json": self.pins, "hypotheses": self.hypotheses,
            "results.json": self.results, "REST body": self.rest, "training options": self.options,
        }  # fmt: skip

    def config(self, chance: random.Random) -> None:
        """A checkpoint's config: the list must stand, and loading may only refuse."""
        from clipcap_ext.engine.catalog import list_models
        from clipcap_ext.engine.factory import load_captioner

        with self.copy(self.models) as folder:
            path = folder / "tiny-clipcap" / "config.json"
            path.write_bytes(json_mutant(json.loads(path.read_text()), chance))
            names = [entry.name for entry in list_models(folders=[folder])]
            assert "tiny-clip" not in names and "tiny-flickr8k" in names
            load_captioner("tiny-clipcap", folders=[folder])

    def models_json(self, chance: random.Random) -> None:
        from clipcap_ext.engine.catalog import list_models, list_to_fetch

        sound = {
            "format": "clipcap-ext-models-1",
            "models": {
                "shared": {"folder": "shared"}, "mine": {"file": "old/weights.pt", "like": "clipcap-coco"},
                "team": {"repo": "team/captioner", "revision": "v2", "licence": "mit"},
                "theirs": {
                    "repo": "them/clipcap", "file": "best.pt", "decoding": {"num_beams": 5},
                    "encoder": {"model": "ViT-L-14", "pretrained": "openai", "normalize": False},
                },
            },
        }  # fmt: skip
        with self.fresh() as folder:
            (folder / "models.json").write_bytes(json_mutant(sound, chance))
            assert all(entry.name for entry in list_models(folders=[folder]))
            list_to_fetch(folders=[folder])

    def encoder(self, chance: random.Random) -> None:
        from clipcap_ext.engine.checkpoint.config import EncoderConfig
        from clipcap_ext.engine.clip.loading import load_encoder

        with self.copy(self.models / "tiny-clip") as folder:
            path = folder / "open_clip_config.json"
            path.write_bytes(json_mutant(json.loads(path.read_text()), chance))
            load_encoder(EncoderConfig("tiny-clip", "", True), folder=folder)

    def labels(self, chance: random.Random) -> None:
        from tiny import tiny_bank

        from clipcap_ext.engine.sbg.label_files import bank_json, read_bank

        with self.fresh() as folder:
            (folder / "labels.json").write_bytes(json_mutant(json.loads(bank_json(tiny_bank())), chance))
            read_bank(folder)

    def data_json(self, chance: random.Random) -> None:
        karpathy = {
            "dataset": "coco",
            "images": [
                {"filename": name, "split": "train", "sentences": [{"raw": text} for text in texts]}
                for name, texts in CAPTIONS.items()
            ],
        }
        coco = {
            "images": [{"id": number, "file_name": name} for number, name in enumerate(CAPTIONS)],
            "annotations": [
                {"image_id": number, "id": number, "caption": texts[0]}
                for number, texts in enumerate(CAPTIONS.values())
            ],
        }
        name, sound = chance.choice([("dataset_x.json", karpathy), ("captions_train.json", coco)])
        self.read_data(name, json_mutant(sound, chance))

    def data_lines(self, chance: random.Random) -> None:
        rows = [{"file_name": name, "text": texts, "split": "train"} for name, texts in CAPTIONS.items()]
        lines = [
            json_mutant(row, chance) if chance.random() < 0.5 else json.dumps(row).encode() for row in rows
        ]
        self.read_data("metadata.jsonl", b"\n".join(lines))

    def data_table(self, chance: random.Random) -> None:
        cut = chance.choice(",;\t|")
        rows = [f"{name}{cut}{text}" for name, texts in CAPTIONS.items() for text in texts]
        name, head = chance.choice([("captions.csv", "image"), ("metadata.csv", "file_name")])
        text = "\n".join([f"{head}{cut}{'caption' if head == 'image' else 'text'}", *rows])
        self.read_data(name, bytes_mutant(text.encode(), chance))

    def data_tar(self, chance: random.Random) -> None:
        from clipcap_ext.corpus.parts.tar_parts import TarPart

        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for number, (name, texts) in enumerate(CAPTIONS.items()):
                picture = (self.photos / name).read_bytes()
                caption = json_mutant({"caption": texts[0], "url": "x"}, chance)
                for suffix, content in ((".jpg", picture), (".json", caption)):
                    member = tarfile.TarInfo(f"{number:05d}{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        data = stream.getvalue()
        with self.fresh() as folder:
            path = folder / "x.tar"
            path.write_bytes(bytes_mutant(data, chance) if chance.random() < 0.5 else data)
            for sample in TarPart(path, "x.tar").read():
                str(sample).encode()

    def features(self, chance: random.Random) -> None:
        from clipcap_ext.corpus.feature_folder import FORMAT, FeatureFolder

        manifest = {
            "format": FORMAT, "encoder": {"model": "a", "pretrained": "b", "normalize": True},
            "fingerprint": "f", "clip_dim": 4, "views": 1, "parts": ["x.tar"],
        }  # fmt: skip
        info = {"part": "x.tar", "stamp": "1", "images": 1, "captions": 1, "left_out": {}}
        row = {"key": "a", "fingerprint": "f", "captions": ["a dog"]}
        with self.fresh() as folder:
            shard = folder / "shard-000000"
            shard.mkdir()
            mutated = chance.randrange(3)
            contents = [json_mutant(one, chance) if number == mutated else json.dumps(one).encode()
                        for number, one in enumerate((manifest, info, row))]  # fmt: skip
            (folder / "features.json").write_bytes(contents[0])
            (shard / "shard.json").write_bytes(contents[1])
            (shard / "captions.jsonl").write_bytes(contents[2] + b"\n")
            opened = FeatureFolder.open(folder)
            opened.infos()
            list(opened.rows(0))

    def listing(self, chance: random.Random) -> None:
        from clipcap_ext.foreign_json import ForeignJsonError, parse_json
        from clipcap_ext.hub.listing import Listing

        sound = {
            "commit": "c0ffee" + "0" * 34,
            "files": [{"path": "a/model.pt", "size": 5, "sha256": "0" * 64, "blob_id": "1" * 40}],
        }
        try:
            table = parse_json(json_mutant(sound, chance))
        except ForeignJsonError:
            return
        listing = Listing.of("someone/weights", table)
        Listing.of("someone/weights", listing.to_json()).file("a/model.pt")

    def pins(self, chance: random.Random) -> None:
        from clipcap_ext.hub.pins import FORMAT, Pins

        files = [{"path": "m.pt", "size": 5, "sha256": "0" * 64, "blob_id": "1" * 40}]
        sound = {
            "format": FORMAT, "verified": {"a/b/m.pt": ["0", 1, 2]},
            "repos": {"a/b@main": {"commit": "c" * 40, "files": files}},
        }  # fmt: skip
        with self.fresh() as folder:
            (folder / "pins.json").write_bytes(json_mutant(sound, chance))
            pins = Pins(folder / "pins.json")
            pins.listing("a/b", "main")
            pins.forget("a/b")

    def hypotheses(self, chance: random.Random) -> None:
        from clipcap_ext.corpus import Example
        from clipcap_ext.evaluate.hypotheses.matching import match
        from clipcap_ext.evaluate.hypotheses.reading import read_hypotheses

        sound = [{"image_id": name, "caption": texts[0]} for name, texts in CAPTIONS.items()]
        with self.fresh() as folder:
            (folder / "h.json").write_bytes(json_mutant(sound, chance))
            examples = [Example(name, folder / name, texts) for name, texts in CAPTIONS.items()]
            match(folder / "h.json", read_hypotheses(folder / "h.json"), examples, list(CAPTIONS))

    def results(self, chance: random.Random) -> None:
        from clipcap_ext.evaluate.report.compare import compare_command

        statistics = {"ROUGE-L": [0.5, 0.25, 1]}
        sound = {
            "format": "clipcap-ext-results-1", "kind": "captions", "signature": "cap|x", "date": "2026",
            "results": {},
            "data": {"name": "x", "split": "test", "protocol": "words"},
            "images": {name: {} for name in CAPTIONS},
            "image_statistics": statistics,
        }  # fmt: skip
        with self.fresh() as folder:
            (folder / "a.json").write_bytes(json_mutant(sound, chance))
            (folder / "b.json").write_text(json.dumps(sound))
            names = [str(folder / "a.json"), str(folder / "b.json")]
            compare_command([*chance.sample(names, 2), "--resamples", "3"])

    def rest(self, chance: random.Random) -> None:
        """Any body: an answer below 500, its words printable, no part of the body in it."""
        import base64

        picture = base64.b64encode((self.photos / "a.jpg").read_bytes()).decode()
        sound = {"image": picture, "model": "tiny-clipcap", "options": {"num_beams": 2, "max_new_tokens": 5}}
        if chance.random() < 0.3:
            sound = {"images": [picture, picture], "options": {"temperature": 0.5, "seed": 1}}
        answer = self.web().post("/clipcap/v1/caption", content=json_mutant(sound, chance))
        assert answer.status_code < 500, answer.text
        answer.json()

    def options(self, chance: random.Random) -> None:
        from clipcap_ext.train.config import read_overrides
        from clipcap_ext.train.presets import PRESETS
        from clipcap_ext.train.run import resolve

        preset = PRESETS[chance.choice(list(PRESETS))]
        with self.fresh() as folder:
            path = folder / "config.json"
            path.write_bytes(json_mutant(json.loads(preset.config.to_json(preset.name)), chance))
            read_overrides(path, preset.config)
            resolve(preset, path, [])

    def read_data(self, name: str, content: bytes) -> None:
        from clipcap_ext.corpus import read_corpus

        with self.fresh() as folder:
            for photo in CAPTIONS:
                shutil.copyfile(self.photos / photo, folder / photo)
            (folder / name).write_bytes(content)
            corpus = read_corpus(folder)
            "\n".join(
                [*map(str, corpus.problems), *(text for one in corpus.examples for text in one.captions)]
            ).encode()

    def web(self) -> Any:
        if self._web is None:
            from fastapi import FastAPI
            from fastapi.testclient import TestClient

            from clipcap_ext.service.service import CaptionService
            from clipcap_ext.service.standalone import StandaloneHost
            from clipcap_ext.webui.api import add_api
            from clipcap_ext.webui.rest_guard import Access

            app = FastAPI()
            service = CaptionService(StandaloneHost(self.models, device="cpu"))
            add_api(app, service, Access({}), lambda name: name or "tiny-clipcap")
            self._web = TestClient(app, base_url="http://localhost", raise_server_exceptions=True)
        return self._web

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        folder = self.root / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder

    @contextmanager
    def copy(self, source: Path) -> Iterator[Path]:
        folder = self.root / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        yield folder
