"""The WebUI side: hosts, one service, the tab and the REST routes; the engine knows nothing of it."""
