"""The files of Hub repositories under <models folder>/hub: found, fetched, checked. A file is there whole, or
not.

A file placed by hand at the same path counts like a fetched one. What the Hugging Face cache already holds is
used from there. Nothing is asked of the Hub while every file is here.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clipcap_ext.engine.clip.hub_cache import cached_file
from clipcap_ext.engine.clip.sources import HUB_FOLDER
from clipcap_ext.errors import DownloadError
from clipcap_ext.files import put_in_place, tidy
from clipcap_ext.hub.client import HubClient, HubFailure
from clipcap_ext.hub.deletion import delete_files
from clipcap_ext.hub.failures import Missing, disk_reason, download_error, reason_of
from clipcap_ext.hub.listing import Listing, RemoteFile
from clipcap_ext.hub.pins import Pins
from clipcap_ext.hub.records import NAME, Records, folder_name

PINS_FILE = "pins.json"
MAKING = "making"  # below the hub folder; a repository's own has "--" in its name
PART = re.compile(r"\..+\.[0-9a-f]{1,16}\.part")  # a file that has not arrived whole: see `_part`
WAIT = 0.2  # seconds between looks at a lock that another process holds
SPARE = 64 << 20  # bytes that stay free beside a download
Choose = Callable[[Listing], Sequence[str]]


@dataclass(frozen=True)
class Wanted:
    """Files of a repository: by name, or what `choose` picks from its listing. `label` is for people."""

    repo: str
    label: str
    files: tuple[str, ...] = ()
    choose: Choose | None = None
    revision: str = "main"
    known: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of files that never change, for messages


class Store:
    """The files under `models_dir`/hub."""

    def __init__(self, models_dir: Path, client: HubClient | None = None) -> None:
        self.root = models_dir / HUB_FOLDER
        self.models_dir = models_dir
        self.pins = Pins(self.root / PINS_FILE)
        self.records = Records(models_dir)
        self.client = client or HubClient()

    def path_of(self, repo: str, path: str) -> Path:
        """Where a file belongs, there or not."""
        return self.root / folder_name(repo) / path

    def ensure(self, wanted: Wanted, copies: int = 0, renew: bool = False) -> dict[str, Path]:
        """Every wanted file, by its path in the repository, fetched if need be.

        copies: how often the files will be written once more. renew: ask the Hub where the revision is now.
        Raises DownloadError, which says what to do, or Cancelled; what has arrived is kept for the next call.
        """
        try:
            pinned = None if renew else self.pins.listing(wanted.repo, wanted.revision)
            if pinned is None and not renew and self._all_placed(wanted):
                return {path: self.path_of(wanted.repo, path) for path in wanted.files}
            try:
                return self._bring(wanted, pinned or self._ask(wanted), copies)
            except DownloadError:
                # a list may have been wrong when it was pinned: an honest Hub heals that
                if pinned is None or (listing := self._ask(wanted)) == pinned:
                    raise
                return self._bring(wanted, listing, copies)
        except OSError as error:
            missing = [self._missing(wanted, path) for path in wanted.files]
            raise download_error(
                wanted.label, disk_reason(error.errno or 0, self.root, str(error)), missing
            ) from error

    def fetched(self, repo: str) -> list[Path]:
        """The files of a repository that were fetched and lie here as they came, and those that have not
        arrived whole; what was placed by hand is none of them."""
        if not repo:
            return []
        folder = self.path_of(repo, "")
        record = self.records.of_repo(repo)
        whole = [folder / path for path in (record.unchanged() if record else [])]
        return [*whole, *(path for path in sorted(folder.rglob(".*.part")) if PART.fullmatch(path.name))]

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """Where the folder of a model is made, whole, before it is noted and renamed; nothing stays there."""
        place = self.root / MAKING / name
        shutil.rmtree(place, ignore_errors=True)
        try:
            yield place / name
        finally:
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):
                place.parent.rmdir()

    def made(self, name: str) -> list[Path]:
        """What a download that was killed left where the folder of a model is made."""
        if not NAME.fullmatch(name):
            return []
        return [path for path in sorted((self.root / MAKING / name).rglob("*")) if not path.is_dir()]

    def clear(self, repo: str) -> int:
        """Delete what was fetched of a repository, and keep what is known of it; bytes freed."""
        freed = delete_files(self.models_dir, self.fetched(repo))
        self.records.forget_repo(repo)
        return freed

    def forget(self, repo: str) -> None:
        """Drop what is known of a repository: the next download asks for it anew."""
        self.records.forget_repo(repo)
        if self.pins.path.exists():
            self.pins.forget(repo)

    def _all_placed(self, wanted: Wanted) -> bool:
        """Whether every file that is wanted by name is here, by hand."""
        return bool(wanted.files) and all(self.path_of(wanted.repo, path).is_file() for path in wanted.files)

    def _ask(self, wanted: Wanted) -> Listing:
        """What the Hub says of the repository now."""
        try:
            return self.client.listing(wanted.repo, wanted.revision)
        except HubFailure as failure:
            missing = [self._missing(wanted, path) for path in wanted.files]
            raise download_error(
                wanted.label, reason_of(failure, wanted.repo, self.root), missing
            ) from failure

    def _bring(self, wanted: Wanted, listing: Listing, copies: int) -> dict[str, Path]:
        """Every wanted file as `listing` describes it; the listing is pinned once all of them were found
        right."""
        paths = wanted.choose(listing) if wanted.choose else wanted.files
        files = [listing.file(path) for path in paths]
        here = {file.path: self._here(wanted.repo, listing, file) for file in files}
        self._check_space(wanted, listing, [file for file in files if here[file.path] is None], copies)
        placed = {file.path: here[file.path] or self._fetch(wanted, listing, file) for file in files}
        self.pins.keep(wanted.revision, listing)
        return placed

    def _here(self, repo: str, listing: Listing, file: RemoteFile) -> Path | None:
        """A whole and right copy on this disk: ours, placed by hand, or in the Hugging Face cache."""
        own = self.path_of(repo, file.path)
        for path in (own, cached_file(repo, file.path, listing.commit)):
            if path is None or not path.is_file():
                continue
            if self.pins.is_verified(repo, file, path):
                return path
            if file.matches(path):
                self.pins.set_verified(repo, file, path)
                return path
        return None

    def _check_space(self, wanted: Wanted, listing: Listing, files: list[RemoteFile], copies: int) -> None:
        parts = [self._part(wanted.repo, file) for file in files]
        have = sum(part.stat().st_size for part in parts if part.is_file())
        need = sum(file.size for file in files) * (1 + copies) - have
        if not files:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if free < need + SPARE:
            why = (
                f"{need / 1e6:.0f} MB are needed in {self.root} and {free / 1e6:.0f} MB are free (of which "
                f"{SPARE / 1e6:.0f} MB stay so). Free some space, or choose another folder."
            )
            raise download_error(
                wanted.label, why, [self._missing(wanted, file.path, file) for file in files]
            )

    def _fetch(self, wanted: Wanted, listing: Listing, file: RemoteFile) -> Path:
        """Fetch one file, once more if its checksum is wrong, and put it in its place when it is right."""
        target, part = self.path_of(wanted.repo, file.path), self._part(wanted.repo, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.alone(wanted.repo):
            arrived = self._here(wanted.repo, listing, file)
            if arrived is not None:
                return arrived  # another process was faster
            for _ in range(2):
                self._receive(wanted, listing, file, part)
                if file.matches(part):
                    # noted first: what is there and not noted counts as placed by hand, and is never removed
                    self.records.add_file(wanted.repo, file.path, part)
                    put_in_place(part, target)
                    self.pins.set_verified(wanted.repo, file, target)
                    self._clear_parts(target)
                    return target
                part.unlink()
        why = (
            f"{file.path} arrived twice with another checksum than the Hub's own list gives "
            f"({file.checksum}). A proxy or mirror may alter it: try another network or HF_ENDPOINT. Nothing "
            "of it was kept."
        )
        raise download_error(wanted.label, why, [self._missing(wanted, file.path, file)])

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """One process at a time works at `name`, a repository or a model; the lock goes with the process."""
        from filelock import FileLock, Timeout

        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / f"{folder_name(name)}.lock")
        while True:
            self.client.stop_if_cancelled()
            try:
                lock.acquire(timeout=WAIT)
                break
            except Timeout:
                continue
        try:
            tidy(self.root)
            yield
        finally:
            lock.release()

    def _receive(self, wanted: Wanted, listing: Listing, file: RemoteFile, part: Path) -> None:
        """Bring the part file to full length; a cut connection is taken up again for as long as it brings
        bytes."""
        while True:
            before = _size(part)
            try:
                self.client.fetch(wanted.repo, listing.commit, file, part)
                return
            except HubFailure as failure:
                if failure.kind == "network" and _size(part) > before:
                    continue
                why = reason_of(failure, wanted.repo, self.root)
                if failure.errno == errno.ENOSPC:
                    part.unlink(missing_ok=True)  # a full disk helps nobody
                if _size(part):
                    why += f" ({_size(part)} of {file.size} bytes of {file.path} are here.)"
                raise download_error(wanted.label, why, [self._missing(wanted, file.path, file)]) from failure

    def _part(self, repo: str, file: RemoteFile) -> Path:
        """The growing file, named by its checksum: another version never goes on with it."""
        target = self.path_of(repo, file.path)
        return target.with_name(f".{target.name}.{(file.sha256 or file.blob_id)[:16]}.part")

    def _clear_parts(self, target: Path) -> None:
        """Remove what is left of this and of other versions' downloads."""
        for left in target.parent.glob(f".{target.name}.*.part*"):
            left.unlink(missing_ok=True)

    def _missing(self, wanted: Wanted, path: str, file: RemoteFile | None = None) -> Missing:
        known = wanted.known.get(path)
        checksum = file.checksum if file else f"SHA-256 {known}" if known else ""
        return Missing(wanted.repo, wanted.revision, path, self.path_of(wanted.repo, path), checksum)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
