"""The server of the web viewer: where it listens, what it says, how it ends; in processes of its own."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT, Command, clean_environment
from servers import SCRIPT, Server, ask, raw, served

from exptools.errors import ViewError
from exptools.viewing.web import listening, serve

PROMPT_S = 2.0  # for less than a second, on a machine that does other things, too
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@contextlib.contextmanager
def taken(n: int, end: str = "127.0.0.1", listens: bool = True) -> Iterator[int]:
    """The first of `n` ports in a row that somebody else has."""
    for first in range(20000, 60000, 100):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + n):
                    sock = stack.enter_context(socket.socket())
                    sock.bind((end, port))
                    if listens:
                        sock.listen()
            except OSError as error:
                assert error.errno == errno.EADDRINUSE
                continue
            yield first
            return


def is_answering(end: str, port: int) -> bool:
    try:
        socket.create_connection((end, port), timeout=5).close()
    except OSError:
        return False
    return True


def refused(*args: object, uid: int | None = None) -> str:
    """What served.py with `args` says where it cannot listen."""
    more = [] if uid is None else ["--uid", str(uid)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, args), *more],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


# --- where it listens ------------------------------------------------------------------------------------


def test_it_listens_for_this_machine_alone_and_says_where(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        address = f"http://127.0.0.1:{server.port}/"

        assert server.said == [f"made for {address}", f"{address}  (Ctrl-C ends it)"]
        assert ask(server).status == 200
        assert is_answering("127.0.0.1", server.port)
        assert not is_answering("127.0.0.2", server.port)  # as any other address of this machine


def test_who_is_here_by_ssh_is_told_of_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 22")
    with served(tmp_path) as server:
        port, host = server.port, socket.gethostname()
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == (
            f"from the machine that you sit at: ssh -L {port}:127.0.0.1:{port} {host}, "
            "and open that address there\n"
        )
    with served(tmp_path, "--host", "127.0.0.1") as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.communicate(timeout=10)[0] == ""


@pytest.mark.parametrize(
    ("host", "shown", "ends"),
    [
        ("0.0.0.0", socket.gethostname(), ["127.0.0.1", "127.0.0.2"]),
        ("127.0.0.2", "127.0.0.2", ["127.0.0.2"]),
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
        ("localhost", "localhost", ["127.0.0.1"]),
        pytest.param("::", socket.gethostname(), ["::1", "127.0.0.1", "127.0.0.2"], marks=needs_ipv6),
        pytest.param("::1", "[::1]", ["::1"], marks=needs_ipv6),
        pytest.param("[::1]", "[::1]", ["::1"], marks=needs_ipv6),
    ],
)
def test_a_host_is_listened_at_and_one_address_with_the_token_is_said(
    tmp_path: Path, host: str, shown: str, ends: list[str]
) -> None:
    with served(tmp_path, "--host", host) as server:
        address = f"http://{shown}:{server.port}/"
        all_ends = ["127.0.0.1", "127.0.0.2", *(["::1"] if has_ipv6() else [])]

        assert server.said == [f"made for {address}", f"{address}?token={server.token}  (Ctrl-C ends it)"]
        assert [end for end in all_ends if is_answering(end, server.port)] == sorted(ends, key=all_ends.index)
        lines = (
            f"GET /?token={server.token} HTTP/1.1\r\nHost: {shown}:{server.port}\r\nConnection: close\r\n\r\n"
        )
        assert [raw(server.port, lines.encode(), end).status for end in ends] == [303] * len(ends)


def test_each_server_has_a_token_of_its_own(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "127.0.0.1") as one, served(tmp_path, "--host", "127.0.0.1") as other:
        assert one.token != other.token
        assert ask(other, f"/?token={one.token}").status == 403


@pytest.mark.parametrize("n", [1, 3, 19])
@pytest.mark.parametrize("listens", [True, False])
def test_a_port_in_use_is_passed_over(tmp_path: Path, n: int, listens: bool) -> None:
    with taken(n, listens=listens) as port, served(tmp_path, "--port", port) as server:
        assert server.port == port + n
        assert server.said[0] == f"port {port} is in use; taking {port + n}"
        assert ask(server).status == 200


@pytest.mark.parametrize("end", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_port_is_in_use_by_who_listens_at_more_or_at_less(tmp_path: Path, end: str, host: str) -> None:
    with taken(1, end) as port, served(tmp_path, "--port", port, "--host", host) as server:
        assert server.port == port + 1


def test_servers_that_begin_at_once_take_different_ports(tmp_path: Path) -> None:
    with taken(1) as free:
        pass
    with ThreadPoolExecutor(4) as pool, contextlib.ExitStack() as stack:
        made = pool.map(lambda _: stack.enter_context(served(tmp_path, "--port", free)), range(4))

        assert sorted(server.port for server in made) == [free, free + 1, free + 2, free + 3]


def test_a_port_whose_server_has_just_ended_is_free(tmp_path: Path) -> None:
    with served(tmp_path) as server, kept_open(server):
        assert server.ended()[0] == 0  # and so closed its end first, which lingers
        with served(tmp_path, "--port", server.port) as after:
            assert after.port == server.port


def test_twenty_ports_in_use_are_an_error() -> None:
    with taken(20) as port:
        assert refused("--port", port) == (
            f"error: the ports {port} to {port + 19} are in use; give another with --port, "
            "or 0 for any that is free\n"
        )


def test_there_is_no_port_behind_the_last(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 65535))
        sock.listen()
        assert refused("--port", 65535) == (
            "error: the ports 65535 to 65535 are in use; give another with --port, "
            "or 0 for any that is free\n"
        )


@pytest.mark.parametrize("port", [-1, 65536, 99999999999])
def test_what_is_no_port_is_an_error(port: int) -> None:
    assert refused("--port", port) == (
        f"error: --port {port} is not a port; give 1 to 65535, or 0 for any that is free\n"
    )


@as_root
def test_a_port_of_the_system_is_an_error() -> None:
    assert refused("--port", 80, uid=4321) == (
        "error: --port 80 is not allowed (Permission denied): the system keeps the ports below 1024; "
        "give another, like 6116, or 0 for any that is free\n"
    )


@pytest.mark.parametrize("host", ["no such host", "", "[]", "a" * 70, "x..y", "host.invalid", "1.2.3.4.5"])
def test_a_host_that_is_not_known_is_an_error(host: str) -> None:
    said = refused("--host", host)

    assert said.startswith(f"error: --host {host} is not known (")
    assert ("it can be no name" in said) == (host in ("", "[]", "a" * 70, "x..y"))
    assert said.endswith("); give a name or an address of this machine, or 0.0.0.0 for all it has\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("host", ["192.0.2.1", pytest.param("2001:db8::1", marks=needs_ipv6)])
def test_an_address_of_another_machine_is_an_error(host: str) -> None:
    assert refused("--host", host) == (
        f"error: --host {host} cannot be listened at (Cannot assign requested address); "
        "give a name or an address of this machine, or 0.0.0.0 for all it has\n"
    )


@needs_ipv6
def test_of_a_name_with_both_the_ipv4_address_is_taken_and_what_is_not_here_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    four, six = (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))
    other = (socket.AF_INET, ("192.0.2.1", 0))  # of another machine
    for known, end in (([six, four], four), ([six], six), ([other, six], six), ([other, four], four)):
        found = [(family, socket.SOCK_STREAM, 6, "", end) for family, end in known]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
        with listening.listen("name.example", 0, print).sock as sock:
            assert (sock.family, sock.getsockname()[0]) == (end[0], end[1][0])


def test_the_default_port_is_that_of_no_other_tool() -> None:
    assert listening.DEFAULT_PORT == serve.DEFAULT_PORT == 6116


@contextlib.contextmanager
def kept_open(server: Server) -> Iterator[None]:
    """A connection that was answered and stays, as a browser's."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().read()
        yield


# --- how it ends -----------------------------------------------------------------------------------------


def test_control_c_ends_it_with_0_and_without_a_word(tmp_path: Path) -> None:
    with served(tmp_path) as server, kept_open(server):
        time.sleep(0.2)  # it waits for requests
        code, err, seconds = server.ended()

    assert (code, err) == (0, "")
    assert seconds < PROMPT_S


def begun(server: Server, target: str) -> socket.socket:
    """A request that the server has begun to answer."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    time.sleep(0.2)
    return sock


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_signal_ends_it_while_requests_are_answered(tmp_path: Path, number: int, in_order: bool) -> None:
    with served(tmp_path, *(["--in-order"] if in_order else [])) as server, contextlib.ExitStack() as stack:
        stack.enter_context(kept_open(server))
        half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        half.sendall(b"GET / HTTP/1.1\r\nHo")
        # 8 threads: one sends to somebody who does not read, one waits for threads of its own; requests wait.
        for target in ("/forever", "/stream", "/pool", *["/slow"] * 9):
            stack.enter_context(begun(server, target))
        code, err, seconds = server.ended(number)

    assert (code, err) == (0 if number == signal.SIGINT else -number, "")
    assert seconds < PROMPT_S


def test_threads_of_a_request_do_not_keep_it(tmp_path: Path) -> None:
    with served(tmp_path) as server, begun(server, "/pool"):
        code, err, seconds = server.ended()

    assert (code, err) == (0, "")
    assert seconds < PROMPT_S


def test_control_c_twice_is_control_c(tmp_path: Path) -> None:
    with served(tmp_path) as server, begun(server, "/slow"):
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        code, err, _ = server.ended()

    assert (code, err) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path, number: int) -> None:
    with served(tmp_path, "--ignore", int(number)) as server:
        server.process.send_signal(number)

        assert ask(server).status == 200
        assert server.ended(signal.SIGTERM)[:2] == (-signal.SIGTERM, "")


def test_a_request_that_is_nearly_answered_is_answered(tmp_path: Path) -> None:
    with served(tmp_path) as server, begun(server, "/stream") as sock:
        server.process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        got = b"".join(iter(lambda: sock.recv(1 << 16), b""))

        assert got.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")
        assert server.process.wait(10) == 0


def test_an_application_that_cannot_be_made_leaves_no_socket() -> None:
    said: list[str] = []

    def make(address: str) -> None:
        said.append(address)
        raise ViewError("there are no runs")

    with pytest.raises(ViewError, match="there are no runs"):
        serve.serve(make, host=None, port=0, say=said.append)  # type: ignore[arg-type]
    port = int(said[0].split(":")[2].strip("/"))

    assert len(said) == 1
    assert not is_answering("127.0.0.1", port)


# --- answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/raises", "GET /raises: ValueError: not \\x1b[31m today, "),
        ("/leaves", "GET /leaves: SystemExit: 3"),
        ("/broken", "GET /broken: OSError: the disk\\n is gone"),
    ],
)
def test_an_exception_is_500_and_one_line_and_the_server_stays(tmp_path: Path, path: str, line: str) -> None:
    with served(tmp_path) as server:
        answer = ask(server, path)

        assert answer.status == 500
        assert answer.text == "this could not be answered; why is on the terminal of exptools-view\n"
        assert ask(server).status == 200
        assert server.ended()[:2] == (0, f"exptools-view: error: {line}\n")


def test_an_exception_in_the_midst_of_an_answer_cuts_it(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        asking = http.client.HTTPConnection("127.0.0.1", server.port)
        asking.request("GET", "/cut")
        with pytest.raises(http.client.IncompleteRead) as cut:
            asking.getresponse().read()
        asking.close()

        assert cut.value.partial == b"partpart"
        assert server.ended()[:2] == (0, "exptools-view: error: GET /cut: OSError: the disk\\n is gone\n")


def test_a_stream_comes_as_it_is_made_and_is_closed(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        asking.request("GET", "/stream")
        answer = asking.getresponse()
        assert answer.read(5) == b"first"
        assert not (tmp_path / "closed.txt").exists()
        (tmp_path / "go").touch()

        assert answer.read() == b"second"
        assert (tmp_path / "closed.txt").exists()


def test_a_browser_that_goes_away_ends_its_answer_without_a_word(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        sock = begun(server, "/forever")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()  # by a reset
        before = time.monotonic()
        while not (tmp_path / "closed.txt").exists():
            assert time.monotonic() - before < 10
            time.sleep(0.01)

        assert server.ended()[:2] == (0, "")


def test_a_file_is_sent_whole(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        answer = ask(server, "/file")

        assert answer.text == SCRIPT.read_text()
        assert answer.header("content-length") == str(SCRIPT.stat().st_size)


def test_seven_long_answers_do_not_keep_others_waiting(tmp_path: Path) -> None:
    with served(tmp_path) as server, contextlib.ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(begun(server, "/stream"))

        assert ask(server).status == 200


def test_more_requests_than_threads_are_answered_on_connections_that_stay(tmp_path: Path) -> None:
    def asked(_: int) -> list[int]:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        found = []
        for _ in range(10):
            kept.request("POST", "/", body="x" * 100_000)
            answer = kept.getresponse()
            found.append(len(answer.read()))
        kept.close()
        return found

    with served(tmp_path) as server, ThreadPoolExecutor(30) as pool:
        sizes = list(pool.map(asked, range(30)))

        assert {size for many in sizes for size in many} == {100_000 + len(ask(server, method="POST").text)}
        assert server.ended()[:2] == (0, "")
    assert (tmp_path / "root.log").read_text() == ""  # waitress warns of its queue


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {33 << 20}\r\n\r\n"

        assert raw(server.port, head.encode()).status == 413


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9"]
)
def test_what_is_no_request_does_no_harm(tmp_path: Path, data: bytes) -> None:
    with served(tmp_path) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(data)

        assert ask(server).status == 200
        assert server.ended()[:2] == (0, "")


# --- packages --------------------------------------------------------------------------------------------

MISSING = "--web needs more packages; install them: pip install 'exptools[web]'"


def test_without_any_package_the_error_says_how_to_get_them(python: Command) -> None:
    code = "from exptools.viewing.web import serve\nserve.serve(None, host=None, port=0, say=print)"
    done = python("-S", "-c", code, PYTHONPATH=str(ROOT))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"exptools.errors.ViewError: {MISSING}"


@pytest.mark.parametrize("name", ["dash", "dash_ag_grid", "waitress"])
def test_without_one_package_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    serve.check_installed()
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ViewError) as error:
        serve.check_installed()
    assert str(error.value) == MISSING
