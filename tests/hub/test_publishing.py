"""The command `publish` against a fake Hub: what it says, what arrives, what it will not push."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fake_hub import FakeHub

from clipcap_ext.__main__ import main
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.front_matter import split_card
from clipcap_ext.hub.publishing import plan

NAME, REPO = "tiny-flickr8k", "you/captioner"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:
    """A checkpoint folder of one's own; the fake Hub has LFS's storage alone, not Xet's."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True, raising=False)
    # clients below 1 read a commit's address by the endpoint of when they were imported
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIPCAP_MODELS", str(tmp_path / "models"))
    return Path(shutil.copytree(BUNDLED / NAME, tmp_path / "runs" / "best"))


def test_a_dry_run_lists_every_file_and_asks_nobody(
    hub: FakeHub, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / ".notes").write_text("mine alone")
    assert main(["publish", str(own), "--repo", REPO]) == 0
    said = capsys.readouterr()
    for name, content in files_of(BUNDLED / NAME).items():
        assert any(line.split()[:2] == [name, f"{len(content):,}"] for line in said.out.splitlines()), name
    assert ".notes" not in said.out and "Nothing was pushed" in said.err
    fields, _ = split_card((own / "README.md").read_text(encoding="utf-8"))
    assert all(f"  {name}: " in said.out for name in fields)
    assert hub.requests == [] and REPO not in hub.repos


def test_what_was_listed_arrives_byte_for_byte(
    hub: FakeHub, own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.behaviour.need_token = "secret"
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert main(["publish", str(own), "--repo", REPO, "--push", "--private"]) == 0
    assert hub.repos[REPO] == files_of(own) and hub.private == {REPO}
    assert capsys.readouterr().out.strip() == f"{hub.url}/{REPO}/commit/{hub.commit}"
    assert main(["publish", str(own), "--repo", REPO, "--push"]) == 0, "again, into the same repository"


def test_an_encoder_of_ones_own_goes_with_it(hub: FakeHub, tiny_folder: Path) -> None:
    publication = plan(str(tiny_folder / "tiny-clipcap"), REPO)
    inside = {name for name in publication.files if "/" in name}
    assert inside == {f"tiny-clip/{name}" for name in files_of(tiny_folder / "tiny-clip")} and inside


def test_who_may_not_write_is_told_what_to_do(
    hub: FakeHub, own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.behaviour.need_token = "secret"
    monkeypatch.setenv("HF_TOKEN", "another")
    assert main(["publish", str(own), "--repo", REPO, "--push"]) == 1
    assert "wants to know who asks. Set HF_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("push", [[], ["--push"]])
def test_without_terms_or_a_card_it_is_not_pushed(
    hub: FakeHub, own: Path, push: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    card = own / "README.md"
    _, body = split_card(card.read_text(encoding="utf-8"))
    card.write_text(body, encoding="utf-8")
    assert main(["publish", str(own), "--repo", REPO, *push]) == 1
    said = "".join(capsys.readouterr())
    assert "lacking: `license`" in said and "not said on the card: metrics" in said
    card.unlink()
    assert main(["publish", str(own), "--repo", REPO, *push]) == 1
    assert "README.md, the card" in "".join(capsys.readouterr())
    assert hub.requests == []


def test_wrong_words(hub: FakeHub, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(own), "--repo", "captioner"]) == 2
    assert "is called OWNER/NAME" in capsys.readouterr().err
    assert main(["publish", str(own / "nothing"), "--repo", REPO]) == 2
    assert hub.requests == []
