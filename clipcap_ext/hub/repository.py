"""An image-to-text model of transformers, or a tagger, from its repository into the models folder, file for
file; one that cannot be used is refused before its weights are fetched. Fetching and checking files is
store.py's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from clipcap_ext.engine.catalog import command_for
from clipcap_ext.engine.checkpoint.config import CARD_FILE, CONFIG_FILE
from clipcap_ext.engine.hub_name import ORIGIN_FILE, PREFIX, model_name
from clipcap_ext.engine.image_to_text.describing import (
    CHAT_FILES,
    GENERATION_FILE,
    INDEX,
    PICKLED,
    PROCESSOR_FILES,
    SAFE,
    SHARD,
    TOKENIZER_FILE,
    check_config,
    usable_family,
)
from clipcap_ext.engine.published.plain_weights import write_as_safetensors
from clipcap_ext.engine.tagger.describing import NETWORK, check_runtime, describe_tagger, is_tagger
from clipcap_ext.engine.tagger.tag_list import FILE as TAGS
from clipcap_ext.engine.tagger.tag_list import read_tags
from clipcap_ext.errors import CaptionError, CheckpointError, DownloadError, first_of
from clipcap_ext.files import put_in_place, write_folder, write_json
from clipcap_ext.hub.listing import Listing
from clipcap_ext.hub.store import Store, Wanted

TAKEN = (
    CONFIG_FILE, CARD_FILE, GENERATION_FILE, *PROCESSOR_FILES, "video_preprocessor_config.json", *CHAT_FILES,
    TOKENIZER_FILE, "tokenizer.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model",
)  # fmt: skip


def fetch_repository(store: Store, repo: str, revision: str, say: Callable[[str], None]) -> Path:
    """Make the model of a repository ready; returns its folder, `owner--name`.

    revision: ask the Hub where that is now, and pin it; else what was pinned, else main. DownloadError, or
    CheckpointError for a model that cannot be captioned with, before its weights are fetched.
    """
    name = model_name(repo)
    folder = store.models_dir / name
    record = store.records.of_model(name)
    if record is not None and record.folder == folder and _is_here(folder):
        store.clear(repo)  # where the download ended before it could
        if revision:
            how = command_for(f"models --remove {name}", folders=[store.models_dir])
            raise DownloadError(f"{name} is here already. Remove it first: {how}")
        return folder
    if folder.exists() or folder.is_symlink():
        raise CheckpointError(f"{folder} is there and was not downloaded: move it away, then try again.")
    say(f"Downloading {repo}")
    wanted = Wanted(repo, repo, choose=chosen_files, revision=revision or "main")
    _check_first(store, wanted, renew=bool(revision))
    _put(store, wanted, store.ensure(wanted, copies=1), folder)
    store.clear(repo)
    return folder


def _check_first(store: Store, wanted: Wanted, renew: bool) -> None:
    """Whether the family is known here and the weights are safetensors, or whether a tagger can be run here,
    by a small file and the list."""
    first = store.ensure(replace(wanted, files=(CONFIG_FILE,), choose=_first_file), renew=renew)
    listing = store.pins.listing(wanted.repo, wanted.revision)
    try:
        if TAGS in first:
            read_tags(first[TAGS].parent)
            check_runtime(PREFIX + wanted.repo)
        else:
            check_config(first[CONFIG_FILE], PREFIX + wanted.repo)
        if listing is not None:
            chosen_files(listing)
    except CaptionError:
        store.clear(wanted.repo)
        raise


def _put(store: Store, wanted: Wanted, files: Mapping[str, Path], folder: Path) -> None:
    """The files into the folder, and beside them where they came from."""
    pinned = store.pins.listing(wanted.repo, wanted.revision)
    commit = pinned.commit if pinned else ""
    origin = {"repo": wanted.repo, "revision": wanted.revision, "commit": commit, "files": sorted(files)}
    with store.making(folder.name) as made:
        with write_folder(made) as partial:
            for path, file in files.items():
                if path == PICKLED:
                    write_as_safetensors(file, partial / SAFE)
                else:
                    shutil.copyfile(file, partial / path)
            write_json(partial / ORIGIN_FILE, origin)
        if is_tagger(made):
            describe_tagger(made)
        else:
            usable_family(made)
        # noted first: a folder that is there and not noted counts as a person's own
        store.records.keep_model(folder.name, wanted.repo, made)
        put_in_place(made, folder)


def _is_here(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() or is_tagger(folder)


def _of_tagger(listing: Listing) -> bool:
    return {NETWORK, TAGS} <= set(listing.files)


def _first_file(listing: Listing) -> list[str]:
    """The small file that tells whether a repository can be used here."""
    return [TAGS if _of_tagger(listing) else CONFIG_FILE]


def chosen_files(listing: Listing) -> list[str]:
    """What to take of a repository: no code, one form of the weights, the older one, which is made into
    safetensors, only where there is no other; DownloadError where there is neither. Of a tagger: its model
    and its tags."""
    if _of_tagger(listing):
        return [*(path for path in (CARD_FILE,) if path in listing.files), TAGS, NETWORK]
    shards = sorted(path for path in listing.files if SHARD.fullmatch(path))
    older = [PICKLED] if PICKLED in listing.files else []
    weights = [SAFE] if SAFE in listing.files else [*shards, INDEX] if shards else older
    if not weights:
        there = first_of(sorted(listing.files), most=40)
        raise DownloadError(
            f"{PREFIX}{listing.repo} holds no {SAFE}, and other forms of weights are not read; it holds "
            f"{there}."
        )
    return [*(path for path in TAKEN if path in listing.files), *weights]
