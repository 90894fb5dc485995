"""What every pane needs: the service, the host, the words, the download. It holds no component."""

from __future__ import annotations

from dataclasses import dataclass

from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import Host, HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.words import Words


@dataclass(frozen=True)
class Context:
    """Handed to each pane's layout and events."""

    service: CaptionService
    host: Host
    components: HostComponents
    words: Words
    downloads: Downloads
