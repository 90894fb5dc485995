"""The contract with the hosts: who is recognised, which locks are held when, what is moved, what settings
do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_modules import FAMILIES, FakeHost
from published_blip import save_blip, write_words

from clipcap_ext.errors import UsageError
from clipcap_ext.service.model_facts import state_of
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.hosts import find_host

Start = Callable[[str], FakeHost]
ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


class Captioner:
    """Where its weights are is all a host looks at."""

    def __init__(self, device: str) -> None:
        self.encoder = SimpleNamespace(device=torch.device(device))

    def to(self, device: Any) -> None:
        self.encoder.device = torch.device(device)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_family_is_recognised(fake_host: Start, family: str) -> None:
    fake_host(family)
    assert find_host().name == family


def test_without_a_webui_it_is_standalone() -> None:
    assert isinstance(find_host(), StandaloneHost)


def test_a_job_holds_the_queue_and_shows_itself(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    with find_host().job("Captioning", 3) as job:
        assert program.queue_lock.locked()
        assert (program.state.job, program.state.job_count) == ("Captioning", 3)
        job.step("a dog")
        assert (program.state.job_no, program.state.textinfo) == (1, "a dog")
        assert not job.stopped
        program.state.interrupt()
        assert job.stopped
    assert not program.queue_lock.locked()
    assert program.state.history == ["begin Captioning", "end"]
    assert not program.state.interrupted


def test_a_failed_job_lets_go(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    host = find_host()
    with pytest.raises(ValueError), host.job("Captioning", 1):
        raise ValueError
    assert not program.queue_lock.locked()
    assert program.state.job == ""
    with host.loading():
        assert program.queue_lock.locked(), (
            "the failed job must not be taken for one that still holds the queue"
        )


LOCKS = {"AUTOMATIC1111": ["+queue", "+model", "-model", "-queue"], "Forge": ["+queue", "-queue"]}
LOCKS |= {"reForge": LOCKS["AUTOMATIC1111"], "SD.Next": LOCKS["AUTOMATIC1111"]}


def test_loading_alone_takes_every_lock_in_the_hosts_order(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    with find_host().loading():
        pass
    assert program.log == LOCKS[family]


def test_loading_inside_a_job_takes_the_queue_once(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    host = find_host()
    with host.job("Captioning", 1), host.loading():
        pass
    assert [entry for entry in program.log if "gc" not in entry] == LOCKS[family]


def test_a_job_goes_on_in_another_thread(fake_host: Start, family: str) -> None:
    """gradio resumes a generator in any of its threads: the queue that the job holds must not be asked for
    there."""
    fake_host(family)
    host = find_host()
    done = []
    with host.job("Captioning", 1):

        def load() -> None:
            with host.loading():
                done.append(True)

        thread = threading.Thread(target=load, daemon=True)
        thread.start()
        thread.join(60)
    assert done == [True]


def test_inside_a_generation_no_queue_is_taken_and_its_job_is_left_alone(
    fake_host: Start, family: str
) -> None:
    program = fake_host(family)
    host = find_host()
    with program.queue_lock:  # the generation
        program.state.begin("txt2img")
        program.state.job_count = 4
        with host.within_queue(), host.job("Captioning", 1) as job, host.loading():
            job.step("a dog")
            assert (program.state.job, program.state.job_no, program.state.job_count) == ("txt2img", 0, 4)
        assert program.state.history == ["begin txt2img"]
        program.state.interrupt()
        assert job.stopped
    assert program.log.count("+queue") == 1


def test_within_queue_is_of_one_thread_only(fake_host: Start) -> None:
    program = fake_host("AUTOMATIC1111")
    host = find_host()
    waited = threading.Event()

    def click() -> None:
        with host.job("Captioning", 1):
            waited.set()

    with program.queue_lock, host.within_queue():
        thread = threading.Thread(target=click, daemon=True)
        thread.start()
        assert not waited.wait(0.2), "a click during a generation must wait for it"
    assert waited.wait(60)


def test_the_models_folder_is_the_hosts_or_the_flags(fake_host: Start, family: str, tmp_path: Path) -> None:
    program = fake_host(family)
    assert find_host().models_dir == tmp_path / "models" / "ClipCap"
    program.cmd_opts.clipcap_models_dir = str(tmp_path / "elsewhere")
    assert find_host().models_dir == tmp_path / "elsewhere"


def test_the_hosts_own_blip_is_among_the_models(fake_host: Start, family: str, tmp_path: Path) -> None:
    fake_host(family)
    write_words(tmp_path / "models" / "BLIP")
    save_blip(tmp_path / "models" / "BLIP" / "model_base_caption_capfilt_large.pth")
    find_host().models_dir.mkdir()
    entry = CaptionService(find_host()).find("webui-blip")
    assert entry.usable_config().kind == "transformers"
    assert state_of(entry, find_host().models_dir) == ("on this machine, ready offline", "")
    assert "rank_by" in entry.lacking  # greyed out before it is converted


def test_the_device_flag_comes_first_and_is_checked(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    assert find_host().device() == CPU
    program.cmd_opts.clipcap_device = "meta"
    assert find_host().device() == torch.device("meta")
    program.cmd_opts.clipcap_device = "toaster"
    with pytest.raises(UsageError, match="--clipcap-device toaster"):
        find_host().device()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_cuda_flag_without_cuda_says_so(fake_host: Start) -> None:
    fake_host("AUTOMATIC1111").cmd_opts.clipcap_device = "cuda:1"
    with pytest.raises(UsageError, match="sees no CUDA device"):
        find_host().device()


def test_half_precision_on_cuda_only_and_never_against_the_hosts_flags(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    host = find_host()
    kinds = {name: host.dtype(torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert kinds == {"cpu": torch.float32, "cuda": torch.float16, "mps": torch.float32}
    for flag in ("no_half", "all_in_fp32"):
        setattr(program.cmd_opts, flag, True)
        assert host.dtype(torch.device("cuda")) == torch.float32
        setattr(program.cmd_opts, flag, False)


MODES = [("keep", "meta", False), ("ram", "cpu", False), ("free", "meta", True)]


@pytest.mark.parametrize(("mode", "device", "freed"), MODES)
def test_memory_modes(fake_host: Start, family: str, mode: str, device: str, freed: bool) -> None:
    program = fake_host(family)
    program.opts.clipcap_memory = mode
    captioner = Captioner("meta")  # stands for a card
    assert find_host().after_caption(captioner) is freed
    assert captioner.encoder.device.type == device
    assert ("gc" in program.log) is (mode == "ram")


def test_what_moved_to_ram_comes_back_and_room_is_made_first(fake_host: Start) -> None:
    program = fake_host("AUTOMATIC1111")
    program.cmd_opts.clipcap_device = "meta"
    captioner = Captioner("cpu")
    find_host().before_caption(captioner)
    assert captioner.encoder.device.type == "meta"
    assert program.log == ["checkpoint to cpu", "gc"]
    find_host().before_caption(captioner)
    assert len(program.log) == 2, "a captioner that is there already moves nothing"


@pytest.mark.parametrize("family", ["Forge", "reForge"])
def test_managed_hosts_are_asked_for_room_on_a_card_only(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    find_host().make_room()
    assert program.log == []
    program.accelerator = "meta"
    find_host().make_room()
    assert program.log == ["free 2 GiB of meta", "gc"]


def test_flags_that_limit_us(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    host: Any = find_host()
    assert host.directories_allowed and host.shows_folders
    program.cmd_opts.listen = True
    assert host.directories_allowed and not host.shows_folders, "who sees the page may sit elsewhere"
    program.cmd_opts.listen = False
    program.cmd_opts.hide_ui_dir_config = True
    assert not host.directories_allowed and not host.shows_folders
    assert host.serves_api is (family == "SD.Next")
    program.cmd_opts.nowebui = True
    assert host.serves_api
    assert host.api_credentials == {}
    program.cmd_opts.api_auth = program.cmd_opts.auth = "ann:pa:ss, bob:word"
    assert host.api_credentials == {"ann": "pa:ss", "bob": "word"}
    program.cmd_opts.api_auth = program.cmd_opts.auth = "ann"
    with pytest.raises(UsageError, match="no colon"):
        _ = host.api_credentials
    assert not host.tab_hidden
    program.opts.hidden_tabs = [host.tab_title]
    assert host.tab_hidden


def test_users_in_a_file_are_asked_for_their_passwords_too(fake_host: Start, tmp_path: Path) -> None:
    program = fake_host("SD.Next")
    host: Any = find_host()
    program.cmd_opts.auth_file = str(tmp_path / "users.txt")
    with pytest.raises(FileNotFoundError):  # no user is not the same as no password
        _ = host.api_credentials
    (tmp_path / "users.txt").write_text('"bob:word"\n\ncid:pa:ss\n', encoding="utf-8")
    assert host.api_credentials == {"bob": "word", "cid": "pa:ss"}
    program.cmd_opts.auth = "ann:apple"
    assert host.api_credentials == {"ann": "apple", "bob": "word", "cid": "pa:ss"}


def test_reports_go_to_the_hosts_log(fake_host: Start, family: str) -> None:
    program = fake_host(family)
    find_host().report("no dog")
    assert program.reports == ["ClipCap: no dog"]


def test_standalone_has_one_job_at_a_time(tmp_path: Path) -> None:
    host = StandaloneHost(tmp_path, device="cpu", settings={"clipcap_memory": "free"})
    with host.job("Captioning", 1) as job, host.loading():
        assert not job.stopped
    assert host.models_dir == tmp_path
    assert (host.device(), host.dtype(CPU)) == (CPU, torch.float32)
    assert host.after_caption(Captioner("cpu")) and not StandaloneHost(tmp_path).after_caption(
        Captioner("cpu")
    )
    with pytest.raises(UsageError, match="toaster"):
        StandaloneHost(tmp_path, device="toaster").device()


def test_standalone_models_live_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLIPCAP_MODELS", raising=False)
    assert StandaloneHost().models_dir == tmp_path / "clipcap-ext" / "models"
    monkeypatch.setenv("CLIPCAP_MODELS", str(tmp_path / "mine"))
    assert StandaloneHost().models_dir == tmp_path / "mine"


def test_importing_the_hosts_loads_no_slow_library() -> None:
    """The WebUI reads this file while it starts: what is slow to import waits for the first caption."""
    slow = ("torch", "transformers", "open_clip", "gradio", "numpy", "PIL", "safetensors", "huggingface_hub")
    code = (
        "import clipcap_ext.webui.hosts, clipcap_ext.webui.hosts.extension, sys\n"
        f"print(sorted(set({slow!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
