"""For server.py: a page that holds the tab as a WebUI does, with prompt boxes, a picture box and sizes."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.tab import build
from clipcap_ext.webui.tab.standalone import app_of, page_look

TARGETS = ("txt2img", "img2img", "inpaint")


class PretendHost(StandaloneHost):
    """Has tabs to send to, and lets nobody name folders."""

    send_targets = TARGETS
    directories_allowed = False


def host_app(models: Path) -> FastAPI:
    """The page and its server, not started."""
    host = PretendHost(models, "cpu", {"clipcap_model": "tiny-clipcap"})
    with gr.Blocks(analytics_enabled=False) as own:
        prompts = {
            name: gr.Textbox(label=name, elem_id=f"clipcap_{name}_prompt") for name in ("txt2img", "img2img")
        }
        gr.Textbox("ugly", label="negative", elem_id="clipcap_negative")
        image = gr.Image(type="pil", elem_id="clipcap_target_image")
        sizes = tuple(
            gr.Slider(8, 2048, 512, step=8, label=n, elem_id=f"clipcap_{n}") for n in ("width", "height")
        )
    prompts["inpaint"] = prompts["img2img"]
    registered = []
    parts = HostComponents(prompts, {"img2img": image}, {"img2img": sizes}, registered.append)
    tab = build(CaptionService(host), host, parts)
    assert len(registered) == 1
    with gr.Blocks(analytics_enabled=False, **page_look()) as page:
        tab.render()
        own.render()
    return app_of(page, "127.0.0.1")
