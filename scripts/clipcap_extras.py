"""The WebUI's door to captions in Extras: it registers the classes it finds in this file."""

from clipcap_ext.webui.hosts.extras import ExtrasCaption

__all__ = ["ExtrasCaption"]
