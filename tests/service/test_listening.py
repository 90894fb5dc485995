"""Where a page cannot be served, it is said what was asked, what was found and what to do, with the right
exit code."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from clipcap_ext.errors import CaptionError
from clipcap_ext.exit_codes import code_of
from clipcap_ext.service import listening
from clipcap_ext.service.listening import check_place

HERE = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server((HERE, 0)) as listener:
        yield listener.getsockname()[1]


def refusal(address: str, port: int) -> CaptionError:
    with pytest.raises(CaptionError) as caught:
        check_place(address, port)
    return caught.value


def test_a_taken_port_is_told_with_one_that_is_free(taken: int) -> None:
    error = refusal(HERE, taken)
    assert code_of(error) == 1 and f"Port {taken} at {HERE} is taken" in str(error)
    free = int(str(error).split("--port ")[1].rstrip("."))
    check_place(HERE, free)
    assert free > taken


def test_a_port_that_was_let_go_is_free_at_once(taken: int) -> None:
    with socket.create_connection((HERE, taken)):
        pass
    with socket.create_server((HERE, 0)) as other:
        port = other.getsockname()[1]
    check_place(HERE, port)
    check_place(HERE, port)  # looking takes nothing


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_what_is_no_port(port: int) -> None:
    assert code_of(refusal(HERE, port)) == 2


@pytest.mark.parametrize("address", ["192.0.2.7", "not an address"])
def test_an_address_of_another_machine(address: str) -> None:
    error = refusal(address, 7861)
    assert code_of(error) == 2 and f"--address {address}" in str(error) and "127.0.0.1" in str(error)


def test_a_port_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(address: str, port: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(listening, "_listen", refused)
    error = refusal(HERE, 80)
    assert code_of(error) == 1 and "above 1023" in str(error)


def test_no_other_port_is_named_where_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(address: str, port: int) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(listening, "_listen", refused)
    assert str(refusal(HERE, 65535)).endswith("take another --port.")
