"""No socket is made, for this machine or another, by imports, install.py, the tab's building or bundled
captioning.

Each runs in a process of its own under an audit hook, which sees every socket that Python code makes; in the
end the hook is shown to bite.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBID = """
import socket, sys
def frames(frame):
    while frame is not None:
        yield frame
        frame = frame.f_back
def forbid(event, arguments):
    if not event.startswith(("socket.", "urllib.")):
        return
    inet = (socket.AF_INET, socket.AF_INET6)
    # urllib3 makes one socket when it is imported, to see whether there is IPv6, and connects it to nothing
    probe = any(frame.f_code.co_name == "_has_ipv6" for frame in frames(sys._getframe(1)))
    made = event == "socket.__new__" and arguments[1] in inet and not probe
    asked = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
    if made or asked or event in ("socket.connect", "socket.sendto") and arguments[0].family in inet:
        print("FORBIDDEN", event, arguments, flush=True)
        raise PermissionError(f"a socket: {event}")
sys.addaudithook(forbid)
"""
IMPORT_ALL = """
import importlib, pkgutil, clipcap_ext
names = [one.name for one in pkgutil.walk_packages(clipcap_ext.__path__, "clipcap_ext.")]
for name in names:
    # the hosts' modules need a host around them, the tab's need gradio
    hosted = name.startswith(("clipcap_ext.webui.hosts.", "clipcap_ext.webui.tab"))
    if not hosted and not name.endswith("__main__"):
        importlib.import_module(name)
print("DONE", len(names) > 100)
"""
INSTALL = """
import runpy
runpy.run_path("install.py", run_name="__main__")
print("DONE", True)
"""
CAPTION = """
from pathlib import Path
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.service import CaptionService
photo = next(Path("clipcap_ext/examples").glob("*.jpg"))
service = CaptionService(StandaloneHost(device="cpu"))
names = ("tiny-flickr8k", "tiny-sbg-flickr8k")
said = [service.caption([open_image(photo)], name).captions[0].text for name in names]
print("DONE", all(said), len(service.models()))
"""
PAGE = """
import uvicorn
from clipcap_ext.service import listening
uvicorn.run = lambda app, **options: print("DONE", app is not None)  # all but the listening
listening.check_place = lambda address, port: None
from clipcap_ext.__main__ import main
main(["ui", "--device", "cpu"])
"""
BUILD_TAB = """
import os
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # as the WebUIs do before they import gradio
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.tab import build
host = StandaloneHost(device="cpu")
print("DONE", build(CaptionService(host), host) is not None)
"""


def run(code: str, tmp_path: Path, python: str = sys.executable) -> str:
    """What the code prints under the hook."""
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": str(ROOT),
    }
    environment = {
        key: value for key, value in environment.items() if key not in ("HF_HUB_OFFLINE", "CLIPCAP_MODELS")
    }
    ran = subprocess.run(
        [python, "-c", FORBID + code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "code",
    [IMPORT_ALL, INSTALL, pytest.param(CAPTION, marks=pytest.mark.real_model)],
    ids=["import", "install", "caption"],
)
def test_no_socket_is_made(code: str, tmp_path: Path) -> None:
    said = run(code, tmp_path)
    assert "FORBIDDEN" not in said and "DONE True" in said, said


@pytest.mark.parametrize("code", [BUILD_TAB, PAGE], ids=["in a WebUI", "alone"])
@pytest.mark.parametrize("name", ["gradio3", "gradio4", "gradio6"])
def test_building_the_tab_makes_none(name: str, code: str, tmp_path: Path) -> None:
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no .venv-{name} (make test-ui-environments)")
    said = run(code, tmp_path, str(python))
    assert "FORBIDDEN" not in said and "DONE True" in said, said


@pytest.mark.parametrize(
    "code", ["socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo('localhost', 80)"]
)
def test_the_hook_bites(code: str, tmp_path: Path) -> None:
    assert "FORBIDDEN" in run(code, tmp_path)
