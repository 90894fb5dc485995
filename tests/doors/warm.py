"""Runs in the installed environment: reads the slow libraries once, then is each `python ...` asked for.

None of the package is read here: every command is a process of its own, forked, in which the package is read
as it is after `python -m`. Only torch and its like are there already, which take ten seconds a start. The
words, the folder and the standard streams come over a socket from a stand-in for `python` (see warmth.py).
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import traceback
from types import ModuleType


def libraries() -> list[ModuleType]:
    """What the package would read, once."""
    import open_clip
    import safetensors.torch
    import timm
    import torch
    import torchvision
    from transformers.models.gpt2 import modeling_gpt2

    return [torch, torchvision, timm, open_clip, safetensors.torch, modeling_gpt2]


def serve(listener: socket.socket) -> None:
    """A child for each command, until this process is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: each tells its own end
    while True:
        asked, _ = listener.accept()
        words, streams, _, _ = socket.recv_fds(asked, 1 << 16, 3)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            be(asked, *json.loads(words), streams)
        for stream in streams:
            os.close(stream)
        asked.close()


def be(asked: socket.socket, words: list[str], folder: str, streams: list[int]) -> None:
    """Be `python WORDS` in `folder`, and tell how it ended."""
    take(streams)
    os.chdir(folder)
    try:
        run(words)
        code: object = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    asked.sendall(str(code if isinstance(code, int) else int(code is not None)).encode())
    os._exit(0)


def take(streams: list[int]) -> None:
    """Make them the standard ones, as a new interpreter finds them."""
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)


def run(words: list[str]) -> None:
    """As the interpreter runs a module or a file."""
    if words[:1] == ["-m"]:
        sys.argv, sys.path[0] = words[1:], os.getcwd()
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(words[0]))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    libraries()
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(f"{sys.argv[1]}.new")
        opened.listen()
        os.rename(f"{sys.argv[1]}.new", sys.argv[1])
        serve(opened)
