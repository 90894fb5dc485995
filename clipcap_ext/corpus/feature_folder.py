"""A folder of features too large for memory: numbered shards, each a folder that is there whole or not at
all.

features.json                      which encoder, how many views, which parts of the data set
shard-000000/features.safetensors  `features` (n, views, clip_dim) float32
shard-000000/captions.jsonl        a line for each of the n pictures: key, fingerprint, captions
shard-000000/problems.jsonl        what was left out and why
shard-000000/shard.json            how many there are of each
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.corpus.examples import Problem
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.errors import CheckpointError, CorpusError, UsageError
from clipcap_ext.files import tidy, write_folder, write_json
from clipcap_ext.foreign_json import parse_json

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "clipcap-ext-features-1"
MANIFEST_FILE, INFO_FILE, FEATURES_FILE = "features.json", "shard.json", "features.safetensors"
CAPTIONS_FILE, PROBLEMS_FILE = "captions.jsonl", "problems.jsonl"


@dataclass(frozen=True)
class Manifest:
    """What all shards of a folder have in common. fingerprint: the encoder's digest; parts: names, a shard
    each."""

    encoder: EncoderConfig
    fingerprint: str
    clip_dim: int
    views: int
    parts: tuple[str, ...]


@dataclass(frozen=True)
class ShardInfo:
    """How much is in a shard. stamp: the part's when it was read; left_out: kind of problem -> number."""

    part: str
    stamp: str
    images: int
    captions: int
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What is kept of one picture beside its features. fingerprint: image_fingerprint of its bytes, empty
    where only features came."""

    key: str
    fingerprint: str
    captions: tuple[str, ...]


class FeatureFolder:
    """Features of a data set in shards that are read and written one at a time."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> FeatureFolder:
        """Begin a folder, or go on with one of the same encoder, views and parts (more parts may follow the
        old ones).

        Raises UsageError if `path` holds something else.
        """
        if (path / MANIFEST_FILE).is_file():
            _check_same(path, cls.open(path).manifest, manifest)
        elif path.exists() and (
            not path.is_dir() or any(not entry.name.startswith(".") for entry in path.iterdir())
        ):
            raise UsageError(f"--out {path} is not empty and holds no features: take another folder.")
        path.mkdir(parents=True, exist_ok=True)
        # several processes may begin it, and all write the same
        write_json(path / MANIFEST_FILE, {"format": FORMAT, **asdict(manifest)})
        return cls(path, manifest)

    @classmethod
    def open(cls, path: Path) -> FeatureFolder:
        """Read a folder's manifest; CorpusError if it is damaged or of another version."""
        tidy(path)
        try:
            manifest = parse_json((path / MANIFEST_FILE).read_bytes())
            if manifest.pop("format") != FORMAT:
                raise ValueError("another version's format")
            encoder, parts = EncoderConfig(**manifest.pop("encoder")), tuple(manifest.pop("parts"))
            if not all(isinstance(part, str) for part in parts):
                raise ValueError("a part is no name")
            return cls(path, Manifest(encoder=encoder, parts=parts, **manifest))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(
                f"{path / MANIFEST_FILE} does not describe a folder of features: {error!r}."
            ) from error

    def info(self, number: int) -> ShardInfo | None:
        """What is in shard `number`; None if it is not there (or damaged, so that it is made again)."""
        try:
            values = parse_json((self._shard(number) / INFO_FILE).read_bytes())
            info = ShardInfo(**values)
        except (OSError, ValueError, TypeError):
            return None
        return info if info.part == self.manifest.parts[number] else None

    def infos(self) -> list[ShardInfo]:
        """What is in each shard; CorpusError if one is missing."""
        infos = [self.info(number) for number in range(len(self.manifest.parts))]
        missing = [self.manifest.parts[number] for number, info in enumerate(infos) if info is None]
        if missing:
            raise CorpusError(
                f"{len(missing)} of the {len(infos)} shards of {self.path} are not made yet (the first is of "
                f"{missing[0]}): run the command that makes the features again, it goes on "
                "where it stopped."
            )
        return [info for info in infos if info is not None]

    def write(
        self, number: int, stamp: str, features: Tensor, rows: Sequence[Row], problems: Sequence[Problem]
    ) -> ShardInfo:
        """Write a shard, features (n, views, clip_dim) with n rows, in place of an old one if there is
        one."""
        from clipcap_ext.engine.checkpoint.safefile import write_safetensors

        left_out = dict(sorted(Counter(problem.kind for problem in problems).items()))
        captions = sum(len(row.captions) for row in rows)
        info = ShardInfo(self.manifest.parts[number], stamp, len(rows), captions, left_out)
        with write_folder(self._shard(number)) as partial:
            write_safetensors(partial / FEATURES_FILE, {"features": features.float()})
            _write_lines(partial / CAPTIONS_FILE, map(asdict, rows))
            _write_lines(partial / PROBLEMS_FILE, map(asdict, problems))
            (partial / INFO_FILE).write_text(json.dumps(asdict(info), indent=1) + "\n", encoding="utf-8")
        return info

    def features(self, number: int) -> Tensor:
        """Shard `number`'s features (n, views, clip_dim); CorpusError if they are damaged."""
        from clipcap_ext.engine.checkpoint.safefile import read_safetensors

        try:
            return read_safetensors(self._shard(number) / FEATURES_FILE)["features"]
        except (CheckpointError, KeyError) as error:
            raise CorpusError(f"{error} Remove {self._shard(number)} and make the features again.") from error

    def rows(self, number: int) -> Iterator[Row]:
        """Shard `number`'s pictures, in the order of its features; CorpusError if the file is damaged."""
        path = self._shard(number) / CAPTIONS_FILE
        try:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    row = parse_json(line)
                    yield Row(row["key"], row["fingerprint"], tuple(row["captions"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = f"Remove {path.parent} and make the features again."
            raise CorpusError(f"{path} cannot be read ({error!r}). {what}") from error

    def _shard(self, number: int) -> Path:
        return self.path / f"shard-{number:06d}"


def is_feature_folder(path: Path) -> bool:
    """Whether `path` holds features made by `python -m clipcap_ext.corpus features`."""
    return (path / MANIFEST_FILE).is_file()


def _check_same(path: Path, old: Manifest, new: Manifest) -> None:
    if (old.fingerprint, old.views) != (new.fingerprint, new.views):
        was, wanted = (
            f"{manifest.encoder} ({manifest.fingerprint[:8]}), views {manifest.views}"
            for manifest in (old, new)
        )
        raise UsageError(f"--out {path} holds features of {was}, not of {wanted}: take another folder.")
    if old.parts != new.parts[: len(old.parts)]:
        raise UsageError(
            f"--out {path} holds features of {len(old.parts)} other parts ({old.parts[0]}, ...), not of "
            f"{new.parts[0]}, ...: take another folder. More shards may be named behind the old ones."
        )


def _write_lines(path: Path, rows: Iterator[dict]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
