"""Features of a data set too large to list, by as many processes as there are, each making shards of its own.

Which process makes a shard changes nothing in it: batches never reach over a part's border. Memory holds one
part's features and a few pictures.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.ahead import prepare_ahead
from clipcap_ext.corpus.examples import Problem, Sample
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row, ShardInfo
from clipcap_ext.corpus.features import view_key, view_of
from clipcap_ext.corpus.parts.finding import Part
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CorpusError, ImageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from clipcap_ext.engine.clip.encoder import ClipEncoder

EVERY = 10.0  # seconds between two lines of progress
SHOWN = 3  # problems of a shard that are told; all are in its problems.jsonl


@dataclass(frozen=True)
class Process:
    """Which of how many processes this is; shard n belongs to process n modulo `count`."""

    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Process:
        """From RANK and WORLD_SIZE, as torchrun and `accelerate launch` set them; UsageError if they make no
        sense."""
        rank, count = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
        if not (rank.isdecimal() and count.isdecimal() and int(rank) < int(count)):
            raise UsageError(
                f"RANK={rank} and WORLD_SIZE={count} name no process: RANK goes from 0 to WORLD_SIZE - 1."
            )
        return cls(int(rank), int(count))


@dataclass
class Tally:
    """What one process has done. `made` shards, `found` ones that were there; pictures and problems of
    both."""

    made: int = 0
    found: int = 0
    images: int = 0
    captions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, info: ShardInfo) -> None:
        """Count a shard's content."""
        self.images, self.captions = self.images + info.images, self.captions + info.captions
        self.left_out.update(info.left_out)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left_out.items())) or "none"
        return (
            f"{self.made} shards made, {self.found} found; {self.images} pictures with {self.captions} "
            f"captions; left out: {kinds}"
        )


def make_features(
    encoder: ClipEncoder, parts: Sequence[Part], out: Path, *, views: int = 1, batch_size: int = 32,
    workers: int = 2, process: Process = Process(), say: Callable[[str], None] = lambda line: None,
) -> Tally:  # fmt: skip
    """Encode this process's parts into the folder `out`, a shard each; those that are finished are passed
    over.

    View 0 is the plain picture, the others are those of `encode_corpus`. A part that has changed since is
    encoded again. What is of no use is told, counted and named in the shard. Raises UsageError if `out` holds
    other features, CorpusError if there are no parts.
    """
    if not parts:
        raise CorpusError("There are no shards and no rows to make features of.")
    names = tuple(part.name for part in parts)
    folder = FeatureFolder.create(
        out, Manifest(encoder.config, encoder.fingerprint, encoder.clip_dim, views, names)
    )
    tally = Tally()
    own = range(process.rank, len(parts), process.count)
    news = _News(f"process {process.rank + 1} of {process.count}", len(own), say)
    for number in own:
        part = parts[number]
        info = folder.info(number)
        if info is not None and info.stamp == part.stamp:
            tally.found += 1
        else:
            news.begin(part.name, tally)
            info = _make_shard(encoder, folder, number, part, batch_size, workers, news)
            tally.made += 1
        tally.add(info)
    say(f"{news.who}: {tally}")
    return tally


def _make_shard(
    encoder: ClipEncoder,
    folder: FeatureFolder,
    number: int,
    part: Part,
    batch_size: int,
    workers: int,
    news: _News,
) -> ShardInfo:
    import torch

    stamp, views = part.stamp, folder.manifest.views
    rows: list[Row] = []
    problems: list[Problem] = []
    features: list[Tensor] = []
    for looks in _batches(_read_looks(encoder, part, views, workers), batch_size, rows, problems):
        stacked = torch.cat(looks)  # (B * views, 3, H, W)
        chunks = [
            encoder.encode_image(stacked[at : at + batch_size])[:, : encoder.clip_dim]
            for at in range(0, len(stacked), batch_size)
        ]
        features.append(torch.cat(chunks).cpu().view(len(looks), views, -1))
        news.tell(len(looks), len(problems))
    none = torch.empty(0, views, folder.manifest.clip_dim)
    info = folder.write(number, stamp, torch.cat([none, *features]), rows, problems)
    for problem in problems[:SHOWN]:
        news.say(f"left out: {problem}")
    if len(problems) > SHOWN:
        news.say(
            f"left out: {len(problems) - SHOWN} more of {part.name}, named in "
            f"shard-{number:06d}/problems.jsonl"
        )
    return info


def _batches(
    looked_at: Iterator[tuple[Row, Tensor] | Problem], size: int, rows: list[Row], problems: list[Problem]
) -> Iterator[list[Tensor]]:
    """The looks (views, 3, H, W) of `size` pictures at a time; fills rows and problems as it goes."""
    batch: list[Tensor] = []
    for look in looked_at:
        if isinstance(look, Problem):
            problems.append(look)
            continue
        row, looks = look
        rows.append(row)
        batch.append(looks)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_looks(
    encoder: ClipEncoder, part: Part, views: int, workers: int
) -> Iterator[tuple[Row, Tensor] | Problem]:
    """Each sample's row and its views (views, 3, H, W), decoded in threads ahead of the encoder, in order."""
    import torch

    def look(sample: Sample | Problem) -> tuple[Row, Tensor] | Problem:
        if isinstance(sample, Problem):
            return sample
        where = f"{part.name}:{sample.key}"
        try:
            content = sample.image if isinstance(sample.image, bytes) else sample.image.read_bytes()
            picture = open_image(_Named(content, where))
        except ImageError as error:
            return Problem(where, str(error).removeprefix(f"{where}: "), "broken picture")
        except OSError as error:
            return Problem(where, f"cannot be read: {error.strerror or error}.", "broken picture")
        digest = hashlib.sha256(content).hexdigest()[:32]
        shown = [view_of(picture, view_key(digest, view), view) for view in range(views)]
        looks = torch.stack([encoder.preprocess(picture) for picture in shown])
        return Row(sample.key, image_fingerprint(content), sample.captions), looks

    return prepare_ahead(part.read(), look, workers)


class _Named(io.BytesIO):
    """Bytes with the name that errors give them."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class _News:
    """Says how far a process is, every few seconds."""

    def __init__(self, who: str, parts: int, say: Callable[[str], None]) -> None:
        self.who, self.say, self._parts = who, say, parts
        self._part, self._images, self._left_out, self._at = "", 0, 0, 0
        self._started = self._said = time.monotonic()

    def begin(self, part: str, tally: Tally) -> None:
        """The next part; what came before it is in `tally`."""
        self._part, self._at, self._left_out = part, tally.made + tally.found + 1, tally.left_out.total()

    def tell(self, images: int, problems: int) -> None:
        """Count `images` more; `problems` of this part so far."""
        self._images += images
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        rate = self._images / (now - self._started)
        self.say(
            f"{self.who}: part {self._at} of {self._parts} ({self._part}), {self._images} pictures, "
            f"{rate:.1f} a second, {self._left_out + problems} left out"
        )
