"""Run by the browser tests: a page that holds the tab as a WebUI does, with prompt boxes, a picture box and sizes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import gradio as gr
import uvicorn

from clipcap_ext.webui.hosts.base import HostComponents
from clipcap_ext.webui.hosts.standalone import StandaloneHost
from clipcap_ext.webui.service import CaptionService
from clipcap_ext.webui.tab import build
from clipcap_ext.webui.tab.standalone import app_of, page_look

TARGETS = ("txt2img", "img2img", "inpaint")


class PretendHost(StandaloneHost):
    """Has tabs to send to, and lets nobody name folders."""

    send_targets = TARGETS
    directories_allowed = False


def main() -> None:
    port, models = int(sys.argv[1]), Path(sys.argv[2])
    host = PretendHost(models, "cpu", {"clipcap_model": "tiny-clipcap"})
    with gr.Blocks(analytics_enabled=False) as own:
        prompts = {name: gr.Textbox(label=name, elem_id=f"clipcap_{name}_prompt") for name in ("txt2img", "img2img")}
        gr.Textbox("ugly", label="negative", elem_id="clipcap_negative")
        image = gr.Image(type="pil", elem_id="clipcap_target_image")
        sizes = tuple(gr.Slider(8, 2048, 512, step=8, label=n, elem_id=f"clipcap_{n}") for n in ("width", "height"))
    prompts["inpaint"] = prompts["img2img"]
    registered = []
    parts = HostComponents(prompts, {"img2img": image}, {"img2img": sizes}, registered.append)
    tab = build(CaptionService(host), host, parts)
    assert len(registered) == 1
    with gr.Blocks(analytics_enabled=False, **page_look()) as page:
        tab.render()
        own.render()
    uvicorn.run(app_of(page, "127.0.0.1"), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
