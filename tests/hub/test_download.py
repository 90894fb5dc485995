"""From a name to a captioner: weights, vocabulary and CLIP come from the Hub once; afterwards nobody is
asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_hub import COCO, PAPER, SBG, VIT_L, FakeHub, sha256
from PIL import Image
from terminal import Terminal, typed

from clipcap_ext.engine.catalog import find_model, is_ready, list_models, list_to_fetch
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.folder_kinds import OF_OTHERS
from clipcap_ext.errors import CheckpointError, DownloadError, ModelNotFound
from clipcap_ext.hub.client import HubClient
from clipcap_ext.hub.download import Download
from clipcap_ext.hub.removal import plan_removal

PICTURE = Image.linear_gradient("L").convert("RGB")


def download(models: Path, name: str, **options: str) -> Path:
    with HubClient() as client:
        return Download(models, client)(name, **options)


def caption(models: Path, name: str) -> str:
    return load_captioner(name, folders=[models]).caption([PICTURE])[0].text


def test_a_published_model_is_fetched_once_and_captions(hub: FakeHub, models: Path) -> None:
    assert PAPER in {model.name for model in list_to_fetch(folders=[models])}
    folder = download(models, PAPER)
    assert folder == models / PAPER
    entry = find_model(PAPER, folders=[models])
    assert is_ready(entry, folders=[models])
    assert PAPER not in {model.name for model in list_to_fetch(folders=[models])}
    assert entry.config.encoder.model == "ViT-L-14" and entry.config.encoder.normalize
    assert entry.config.training["hub"]["commit"] == hub.commit
    assert not (models / "hub" / "Anshler--clip-prefix").exists()  # the converted form is kept, not both
    asked = list(hub.requests)
    assert caption(models, PAPER).endswith(" .")
    assert download(models, PAPER) == folder
    assert hub.requests == asked


def test_what_is_not_here_is_named_with_the_command_and_nothing_is_fetched(
    hub: FakeHub, models: Path
) -> None:
    for name in (PAPER, SBG):
        with pytest.raises(CheckpointError, match=f"python -m clipcap_ext download {name}"):
            load_captioner(name, folders=[models])
    with pytest.raises(
        CheckpointError, match=r"only a browser can fetch it .* Save its file as .*clipcap-coco\.pt"
    ):
        load_captioner(COCO, folders=[models])
    with pytest.raises(ModelNotFound, match=f"Did you mean {PAPER}"):
        load_captioner("clipcap-flickr8k-gradients", folders=[models])
    assert hub.requests == []


def test_a_model_without_its_clip_says_so(hub: FakeHub, models: Path) -> None:
    download(models, PAPER)
    assert plan_removal("ViT-L-14/openai", models).carry_out() > 0
    assert not is_ready(find_model(PAPER, folders=[models]), folders=[models])
    with pytest.raises(CheckpointError, match="download ViT-L-14/openai"):
        load_captioner(PAPER, folders=[models])
    sent = hub.sent
    download(models, PAPER)
    assert hub.sent - sent == len(hub.repos[VIT_L]["open_clip_model.safetensors"])


def test_sbg_is_found_in_whatever_folder_its_repository_keeps_it(hub: FakeHub, models: Path) -> None:
    folder = download(models, SBG)
    assert (folder / "labels.json").is_file()
    config = find_model(SBG, folders=[models]).config
    assert config.kind == "sbg" and config.decoding["num_candidates"] == 5
    assert not any("training_args" in path for _, path in hub.requests)


def test_a_file_put_there_by_hand_gets_what_it_lacks(hub: FakeHub, models: Path, monkeypatch) -> None:
    from clipcap_ext.engine.clip.sources import OPENAI

    monkeypatch.setitem(OPENAI, "ViT-B-32", OPENAI["ViT-L-14"])  # one small CLIP is enough
    models.mkdir()
    (models / f"{COCO}.pt").write_bytes(hub.repos["coco"]["coco.pt"])
    (entry,) = [one for one in list_models(folders=[models]) if one.name == COCO]
    assert entry.config.encoder.model == "ViT-B-32" and not entry.config.encoder.normalize
    assert entry.config.decoding == {"num_beams": 5} and entry.config.training["licence"] == "mit"
    assert download(models, COCO) == models / COCO
    assert (models / f"{COCO}.pt").is_file()  # it is not ours to delete
    with pytest.raises(CheckpointError, match="it is yours"):
        plan_removal(COCO, models)


def test_own_repositories_come_from_models_json(hub: FakeHub, models: Path) -> None:
    made = download(models, PAPER)
    hub.repos["team/captioner"] = {path.name: path.read_bytes() for path in made.iterdir()}
    said = {
        "format": "clipcap-ext-models-1",
        "models": {"ours": {"repo": "team/captioner", "licence": "mit"}},
    }
    (models / "models.json").write_text(json.dumps(said), encoding="utf-8")
    assert "ours" in {model.name for model in list_to_fetch(folders=[models])}
    assert download(models, "ours") == models / "ours"
    assert caption(models, "ours") == caption(models, PAPER)
    assert plan_removal("ours", models).carry_out() > 0 and not (models / "ours").exists()
    hub.repos["team/captioner"]["config.json"] = b"{}"
    with pytest.raises(CheckpointError, match="is not of this package"):
        download(models, "ours")
    assert not (models / "ours").exists()


def test_weights_that_are_none_leave_no_folder(hub: FakeHub, models: Path) -> None:
    hub.repos["Anshler/clip-prefix"] = {"flickr8k_gradient.pt": b"an error page"}
    with pytest.raises(CheckpointError, match=r"flickr8k_gradient\.pt"):
        download(models, PAPER)
    assert not (models / PAPER).exists()


def test_a_repository_without_a_model_says_what_it_holds(hub: FakeHub, models: Path) -> None:
    hub.repos["Anshler/selective-blind-guessing"] = {"README.md": b""}
    with pytest.raises(DownloadError, match=r"holds no config\.json .* it holds README\.md"):
        download(models, SBG)


def test_a_bundled_model_is_not_removed(models: Path) -> None:
    with pytest.raises(CheckpointError, match="is bundled, so it is not removed"):
        plan_removal("tiny-flickr8k", models)


@pytest.fixture
def terminal(models: Path) -> Terminal:
    return typed


def test_the_commands_download_list_and_remove(terminal: Terminal, hub: FakeHub) -> None:
    def line(name: str) -> str:
        return next(one for one in terminal("models")[1].splitlines() if one.startswith(name))

    assert "to download" in line(PAPER) and f"download {PAPER}" in line(PAPER) and "by hand" in line(COCO)
    code, out, err = terminal("download", PAPER, "--json")
    said = [json.loads(one) for one in out.splitlines()]
    assert code == 0 and said[-1]["name"] == PAPER and "Converting" in err
    weights = hub.repos["Anshler/clip-prefix"]["flickr8k_gradient.pt"]
    whole = {"file": "flickr8k_gradient.pt", "done": len(weights), "total": len(weights)}
    assert any(whole.items() <= one.items() for one in said)
    assert "downloaded" in line(PAPER) and "missing" not in line(PAPER)
    code, out, err = terminal("models", "--remove", PAPER)
    assert code == 2 and "--yes" in err and "downloaded" in line(PAPER)  # nobody was there to be asked
    code, out, err = terminal("models", "--remove", PAPER, "--yes")
    assert code == 0 and "MB are free again" in err and "to download" in line(PAPER)


def test_a_failed_download_tells_the_terminal_how_to_place_the_file(
    terminal: Terminal, hub: FakeHub, models: Path
) -> None:
    content = hub.repos["Anshler/clip-prefix"]["flickr8k_gradient.pt"]
    hub.behaviour.wrong_bytes = 99
    code, _, err = terminal("download", PAPER)
    assert code == 1 and sha256(content) in err
    assert str(models / "hub" / "Anshler--clip-prefix" / "flickr8k_gradient.pt") in err


def test_ctrl_c_says_how_to_go_on(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(HubClient, "fetch", interrupted)
    code, _, err = terminal("download", PAPER)
    assert code == 130 and "run the same command again to go on" in err


def test_what_is_refused_is_listed_with_the_reason(terminal: Terminal, models: Path) -> None:
    (models / "half").mkdir(parents=True)
    (models / "half" / "weights.pt").write_bytes(b"x")
    (models / "photo.pt").write_bytes(b"no weights")
    (models / "models.json").write_text('{"format": "clipcap-ext-models-1", "models": {"a": {"rep": "x/y"}}}')
    out = terminal("models")[1]
    refused = {one.split()[0]: one for one in out.splitlines() if "cannot be used" in one}
    lacking = {model.name for model in OF_OTHERS}  # where the installed transformers is too old for them
    assert set(refused) - lacking == {"half", "photo", "models.json"}
    assert "so it is no checkpoint" in refused["half"] and "Did you mean repo?" in refused["models.json"]
