"""The tab without a WebUI: a page of our own, for this machine alone unless told otherwise; it asks the net
nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.asset import asset
from clipcap_ext.webui.telemetry import without_telemetry

if TYPE_CHECKING:
    from fastapi import FastAPI

LOCAL = ("127.0.0.1", "localhost", "::1")
# The page may load from and talk to its own server alone: gradio's pages name font and script hosts
# otherwise.
POLICY = (
    "default-src 'self' data: blob: ws: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob: ws: "
    "wss:; form-action 'self'; frame-ancestors 'self'"
)


def make_app(host: StandaloneHost, address: str = "127.0.0.1") -> FastAPI:
    """The page and its server, not started."""
    without_telemetry()
    from clipcap_ext.webui.tab import build

    return app_of(build(CaptionService(host), host, title="ClipCap", **page_look()), address)


def page_look() -> dict[str, Any]:
    """What gr.Blocks takes for the page to look as it should; newer gradio takes it when it is mounted."""
    from clipcap_ext.webui.tab.compat import MAJOR

    return _look() if MAJOR < 6 else {}


def app_of(page: Any, address: str) -> FastAPI:
    """A server for Blocks with our tab in them. Served on a local address it answers to local names only."""
    without_telemetry()
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from clipcap_ext.webui.tab.binding import page_only
    from clipcap_ext.webui.tab.compat import MAJOR

    with page:
        page_only(page.load, _script_loader())
    page.queue(
        api_open=False, **({"concurrency_count": 8} if MAJOR < 4 else {"default_concurrency_limit": 8})
    )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_with_policy)
    if address in LOCAL:  # a page elsewhere that names its own host as 127.0.0.1 gets nowhere
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    return gr.mount_gradio_app(app, page, path="/", **(_look() if MAJOR >= 6 else {}))


def serve(
    host: StandaloneHost, address: str = "127.0.0.1", port: int = 7861, open_browser: bool = False
) -> None:
    """Serve until interrupted."""
    import threading
    import webbrowser

    import uvicorn

    app = make_app(host, address)
    if open_browser:
        threading.Timer(1.5, webbrowser.open, (f"http://{address}:{port}/",)).start()
    uvicorn.run(app, host=address, port=port, log_level="warning")


async def _with_policy(request: Any, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _look() -> dict[str, Any]:
    """Our style sheet, and gradio's own theme with the machine's fonts: its default ones come from a font
    host."""
    import gradio as gr

    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
    theme = gr.themes.Default(font=sans, font_mono=["ui-monospace", "Consolas", "monospace"])
    css = asset("style.css").read_text(encoding="utf-8") + "footer { display: none !important; }"
    return {"css": css, "theme": theme}


def _script_loader() -> str:
    """JavaScript that puts our scripts into the page as a host would."""
    files = sorted(asset("javascript").glob("*.js"))
    text = json.dumps("\n".join(file.read_text(encoding="utf-8") for file in files)).replace("</", "<\\/")
    return (
        "() => { const script = document.createElement('script'); script.textContent = "
        + text
        + "; document.head.appendChild(script); }"
    )
