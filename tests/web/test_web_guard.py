"""Who may ask the server: hostile requests to a real one, byte for byte."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Answer, Server, ask, raw, served

from exptools.viewing.web import hosts, peers
from exptools.viewing.web.guard import POLICY, Guard, guarded

NOT_THIS_NAME = "open the address that exptools-view printed on its terminal\n"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for this machine, without a token."""
    with served(tmp_path_factory.mktemp("here")) as server:
        yield server


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for other machines, with a token."""
    with served(tmp_path_factory.mktemp("beyond"), "--host", "0.0.0.0") as server:
        yield server


def cookie(server: Server, value: str | None = None, port: int | None = None) -> str:
    return f"Cookie: exptools_{port or server.port}={server.token if value is None else value}"


# --- the Host header -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80", "[0:0::1]"]
)
def test_this_machine_is_known_at_any_port_as_tunnels_change_it(here: Server, host: str) -> None:
    answer = ask(here, "/a?b=c", host=host)

    assert answer.status == 200
    assert json.loads(answer.text) == {"method": "GET", "path": "/a", "query": "b=c", "body": ""}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:6116",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "localhost.",
        "0.0.0.0",
        "127.0.0.2",
        "127.1",
        "192.168.0.7",
        "[::2]",
        "[::ffff:127.0.0.1]",
        socket.gethostname(),
    ],
)
def test_a_name_that_a_strangers_dns_may_have_turned_to_us_is_refused(here: Server, host: str) -> None:
    answer = ask(here, host=host)

    assert answer.status == 403
    assert answer.text.startswith("there is no answer under the name ")
    assert answer.text.endswith(NOT_THIS_NAME)


@pytest.mark.parametrize(
    "host",
    [
        "localhost:",
        "localhost:x",
        "localhost:99999",
        "localhost:6116:6116",
        "localhost/",
        "localhost@evil.example",
        "user@localhost",
        "local host",
        "localhost\t.evil.example",
        "localhost;",
        "[::1",
        "::1",
        "[zz]",
        "[1.2.3.4]",
        "[]",
        "http://localhost",
        "localhost\x80",
        ":80",
    ],
)
def test_a_malformed_host_is_refused(here: Server, host: str) -> None:
    answer = ask(here, host=host)

    assert (answer.status, answer.text) == (400, f"the Host header is malformed: {NOT_THIS_NAME}")


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "Host:\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost, evil.example\r\n",
        "Host: evil.example\r\nX-Forwarded-Host: localhost\r\n",
        "X-Forwarded-Host: localhost\r\n",
        "Host: evil.example\r\nHTTP-Host: localhost\r\n",
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_one_host_header_is_needed(here: Server, lines: str, version: str) -> None:
    answer = raw(here.port, f"GET / HTTP/{version}\r\n{lines}Connection: close\r\n\r\n".encode())

    assert answer.status == 403
    assert answer.text.endswith(NOT_THIS_NAME)


def test_a_host_on_two_lines_is_no_host(here: Server) -> None:
    answer = raw(
        here.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n .evil.example\r\nConnection: close\r\n\r\n"
    )

    assert answer.status == 400


@pytest.mark.parametrize(
    "target", ["http://evil.example/", "http://localhost/", "evil", "*", "?a=b", "/\t/evil.example"]
)
def test_a_target_that_is_no_path_is_refused(here: Server, target: str) -> None:
    answer = ask(here, target)

    assert (answer.status, answer.text) == (400, "ask for a path that begins with /\n")


def test_beyond_this_machine_its_own_names_and_addresses_are_known(beyond: Server) -> None:
    names = [*hosts.own_names(), socket.gethostname().upper(), "10.1.2.3:6116", "[fe80::1]", "0.0.0.0"]

    assert {name: ask(beyond, "/", cookie(beyond, port=80), host=name).status for name in names} == {
        name: 403 if ":6116" in name else 200  # the cookie is that of another port
        for name in names
    }
    assert ask(beyond, "/", cookie(beyond, port=6116), host="10.1.2.3:6116").status == 200


@pytest.mark.parametrize("host", ["evil.example", "1.2.3.4.evil.example", "1.2.3.4.5", "1.2.3"])
def test_beyond_this_machine_other_names_are_refused_even_with_the_token(beyond: Server, host: str) -> None:
    answer = ask(beyond, f"/?token={beyond.token}", cookie(beyond, port=80), host=host)

    assert answer.status == 403
    assert answer.text == f"there is no answer under the name {host}: {NOT_THIS_NAME}"


def answered(guard: Guard, **environ: str) -> str:
    """The status of an answer to a request of which a server tells `environ` only."""
    told: list[str] = []

    def start(status: str, *_: Any) -> Any:
        told.append(status)

    asked = {"REQUEST_METHOD": "GET", "HTTP_HOST": "localhost", "PATH_INFO": "/", **environ}
    guarded(lambda _, start: start("200 OK", []) or [], guard)(asked, start)
    return told[-1]


@pytest.mark.parametrize("name", ["viewer.lab", "VIEWER.lab:1"])
def test_the_name_that_was_given_is_known(name: str) -> None:
    guard, line = Guard("Viewer.lab", "secret"), "exptools_1=secret; exptools_80=secret"

    assert answered(guard, HTTP_HOST=name, HTTP_COOKIE=line) == "200 OK"
    assert answered(guard, HTTP_HOST="www.viewer.lab", HTTP_COOKIE=line) == "403 Forbidden"
    assert answered(Guard("other.lab", "secret"), HTTP_HOST=name, HTTP_COOKIE=line) == "403 Forbidden"


# --- other sites -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "HEADS"])
def test_other_methods_are_refused(here: Server, method: str) -> None:
    answer = ask(here, method=method)

    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, POST, OPTIONS")
    assert answer.text == "allowed are GET, HEAD, POST, OPTIONS\n"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_these_methods_reach_the_application_with_their_body(here: Server, method: str) -> None:
    answer = ask(here, "/x", method=method, body="some")

    assert json.loads(answer.text) == {"method": method, "path": "/x", "query": "", "body": "some"}


@pytest.mark.parametrize("origin", ["http://localhost:{0}", "HTTP://LOCALHOST:{0}", "http://LOCALHOST:{0}"])
def test_a_request_of_our_own_page_is_answered(here: Server, origin: str) -> None:
    line = f"Origin: {origin.format(here.port)}"
    answer = ask(here, "/", line, "Sec-Fetch-Site: same-origin", method="POST", host=f"localhost:{here.port}")

    assert answer.status == (403 if origin.startswith("HTTP") else 200)  # browsers write it in small letters


def test_ports_that_a_browser_leaves_out_are_the_same(here: Server) -> None:
    pairs = {
        ("http://localhost", "localhost:80"): 200,
        ("http://localhost:80", "localhost"): 200,
        ("https://localhost", "localhost"): 200,
        ("https://localhost", "localhost:443"): 200,
        ("https://localhost", "localhost:80"): 403,
        ("http://localhost", "localhost:443"): 403,
        ("http://[::1]", "[0::1]:80"): 200,
    }

    found = {(o, h): ask(here, "/", f"Origin: {o}", method="POST", host=h).status for o, h in pairs}

    assert found == pairs


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{0}",
        "http://127.0.0.1:{0}.evil.example",
        "http://127.0.0.1:{0}/",
        "http://127.0.0.1:{0}@evil.example",
        "http://evil.example, http://127.0.0.1:{0}",
        "ftp://127.0.0.1:{0}",
        "127.0.0.1:{0}",
        "file://",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_request_of_another_origin_is_refused(here: Server, origin: str, method: str) -> None:
    answer = ask(here, "/", f"Origin: {origin.format(here.port)}", method=method)

    assert (answer.status, answer.text) == (403, f"this is not for other sites: {NOT_THIS_NAME}")
    assert answer.header("access-control-allow-origin") is None


def test_two_origins_are_refused(here: Server) -> None:
    line = f"Origin: http://127.0.0.1:{here.port}"

    assert ask(here, "/", line).status == 200
    assert ask(here, "/", line, line).status == 403


def fetched(site: str, mode: str | None, dest: str | None) -> list[str]:
    pairs = (("Site", site), ("Mode", mode), ("Dest", dest))
    return [f"Sec-Fetch-{name}: {value}" for name, value in pairs if value is not None]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything", "same-origin, cross-site", ""])
@pytest.mark.parametrize(
    ("mode", "dest", "method", "status"),
    [
        ("navigate", "document", "GET", 200),
        ("navigate", "document", "POST", 403),
        ("navigate", "document", "HEAD", 403),
        ("navigate", "iframe", "GET", 403),
        ("navigate", "object", "GET", 403),
        ("navigate", None, "GET", 403),
        ("no-cors", "document", "GET", 403),
        ("no-cors", "script", "GET", 403),
        ("no-cors", "image", "GET", 403),
        ("cors", "empty", "GET", 403),
        ("websocket", "websocket", "GET", 403),
        (None, None, "GET", 403),
    ],
)
def test_of_other_sites_only_a_visit_in_a_tab_is_answered(
    here: Server, site: str, mode: str | None, dest: str | None, method: str, status: int
) -> None:
    assert ask(here, "/", *fetched(site, mode, dest), method=method).status == status


@pytest.mark.parametrize("site", ["none", "same-origin"])
@pytest.mark.parametrize("dest", ["document", "script", "empty"])
def test_what_the_user_types_and_what_our_page_asks_for_is_answered(
    here: Server, site: str, dest: str
) -> None:
    assert ask(here, "/", *fetched(site, "no-cors", dest)).status == 200


# --- the token -------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_and_said_where_it_is(beyond: Server) -> None:
    answer = ask(beyond)

    assert answer.status == 403
    assert answer.text == (
        "the token is missing or wrong: open the address that exptools-view printed on its terminal, "
        "with its ?token=...\n"
    )
    assert answer.header("set-cookie") is None
    assert len(beyond.token) == 32


def test_the_token_is_wrong_by_one_letter_or_in_another_place(beyond: Server) -> None:
    token = beyond.token
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    wrong = ["", token[:-1], token + "A", token[1:], other, token.swapcase(), "%00" + token, token + "%20"]
    targets = [f"/?token={one}" for one in wrong]
    targets += [f"/?Token={token}", f"/?tokens={token}", f"/?a=token={token}", f"/{token}", f"/?{token}"]
    targets += [f"/?a=b;token={token}", f"/#?token={token}", f"/?token[]={token}", "/?token", "/?token=%80"]
    cookies = [cookie(beyond, one) for one in (*wrong, f'"{token}"', f"x, exptools={token}")]
    cookies += [cookie(beyond, port=1), f"Cookie: {token}", f"Cookie: token={token}", "Cookie: ;;=;"]
    cookies += [f"Cookie: EXPTOOLS_{beyond.port}={token}", f"Authorization: Bearer {token}"]

    assert {target: ask(beyond, target).status for target in targets} == dict.fromkeys(targets, 403)
    assert {line: ask(beyond, "/", line).status for line in cookies} == dict.fromkeys(cookies, 403)


@pytest.mark.parametrize("around", ["{0}", "a=b; {0}", "{0};c=d", "{1}=wrong; {0}", "{0}; {1}=wrong"])
def test_with_the_cookie_all_is_answered(beyond: Server, around: str) -> None:
    name = f"exptools_{beyond.port}"
    line = "Cookie: " + around.format(f"{name}={beyond.token}", name)

    assert ask(beyond, "/x?y=z", line).status == 200
    assert ask(beyond, "/x", line, method="POST", body="b").status == 200


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/?token={0}", "/"),
        ("/run/a%2Fb%20c/?token={0}", "/run/a/b%20c/"),
        ("/?a=1&token={0}&b=x%20y+z&b=&c", "/?a=1&b=x%20y+z&b=&c"),
        ("/?%74oken={0}&q=token%3D{0}x", "/?q=token%3D{0}x"),
        ("/?token={0}&token={0}", "/"),
        ("/?token=wrong&token={0}", "/"),
        ("/?a=%C3%A4&token={0}", "/?a=%C3%A4"),
        ("//evil.example/?token={0}", "/evil.example/"),
        ("/%2Fevil.example/?token={0}", "/evil.example/"),
        ("/\\evil.example?token={0}", "/%5Cevil.example"),
        ("/a/%09/evil.example?token={0}", "/a/%09/evil.example"),
        ("/%0d%0aSet-Cookie:x=y?token={0}&a=%0d%0ab", "/%0D%0ASet-Cookie:x=y?a=%0d%0ab"),
        ('/"><script>?token={0}&"><script>', "/%22%3E%3Cscript%3E?%22%3E%3Cscript%3E"),
    ],
)
def test_the_token_in_the_address_becomes_a_cookie(beyond: Server, asked: str, location: str) -> None:
    answer = ask(beyond, asked.format(beyond.token))

    assert (answer.status, answer.header("location")) == (303, location.format(beyond.token))
    assert answer.header("set-cookie") == (
        f"exptools_{beyond.port}={beyond.token}; Path=/; HttpOnly; SameSite=Strict"
    )
    assert answer.header("cache-control") == "no-store"
    assert ask(beyond, location.format("x"), cookie(beyond)).status == 200


def test_the_cookie_has_the_port_that_the_browser_sees(beyond: Server) -> None:
    answer = ask(beyond, f"/?token={beyond.token}", host="localhost:7001")

    assert str(answer.header("set-cookie")).startswith("exptools_7001=")


def test_an_old_token_does_not_shut_out_who_has_the_cookie(beyond: Server) -> None:
    answer = ask(beyond, "/?token=old&a=b", cookie(beyond))

    assert (answer.status, answer.header("location")) == (303, "/?a=b")


def test_a_post_needs_the_cookie_as_a_redirect_would_lose_it(beyond: Server) -> None:
    assert ask(beyond, f"/?token={beyond.token}", method="POST", body="b").status == 403
    assert ask(beyond, f"/?token={beyond.token}", method="HEAD").status == 303


def test_a_browser_that_came_by_a_link_is_sent_on_by_a_page(beyond: Server) -> None:
    accept, target = "Accept: text/html,*/*;q=0.8", f'/"><b>?token={beyond.token}&a=b&c="'
    visit = fetched("cross-site", "navigate", "document")

    for lines in ([accept], [accept, *visit]):
        answer = ask(beyond, target, *lines)
        assert answer.status == 200
        assert 'content="0;url=/%22%3E%3Cb%3E?a=b&amp;c=%22"' in answer.text
        assert beyond.token not in answer.text
        assert answer.header("set-cookie") is not None
    assert ask(beyond, target, accept, *fetched("none", "navigate", "document")).status == 303


def test_without_a_token_that_parameter_is_the_applications(here: Server) -> None:
    assert json.loads(ask(here, "/?token=x").text)["query"] == "token=x"


def test_the_token_is_in_no_log_and_no_repr(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "127.0.0.1") as server:
        ask(server, f"/raises?{server.token}", cookie(server))
        ask(server, f"/?token={server.token}")
        ask(server, "/?token=wrong")
        _, err, _ = server.ended()

    assert err == "exptools-view: error: GET /raises: ValueError: not \\x1b[31m today, ...\n"
    assert (tmp_path / "root.log").read_text() == ""
    assert repr(Guard("h", "secret")) == f"Guard(host='h', policy={POLICY!r})"


# --- headers ---------------------------------------------------------------------------------------------

SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'self' 'unsafe-inline'",
    "server": None,
    "via": None,
}


def safe(answer: Answer) -> dict[str, str | None]:
    return {name: answer.header(name) for name in SAFE}


def test_every_answer_has_the_headers_that_hold_a_browser_back(here: Server, beyond: Server) -> None:
    answers = [
        ask(here),
        ask(here, method="HEAD"),
        ask(here, method="PUT"),
        ask(here, host="evil.example"),
        ask(here, host="/"),
        ask(here, "/raises"),
        ask(here, "/broken"),
        ask(here, "/cut"),
        ask(here, "/file"),
        ask(here, "/", "Origin: null"),
        ask(beyond),
        ask(beyond, f"/?token={beyond.token}"),
        ask(beyond, f"/?token={beyond.token}", "Accept: text/html"),
    ]

    assert [answer.status for answer in answers] == [
        *(200, 200, 405, 403, 400, 500, 500, 200, 200),
        *(403, 403, 303, 200),
    ]
    assert [safe(answer) for answer in answers] == [SAFE] * len(answers)


def test_a_policy_of_the_application_stays(here: Server) -> None:
    assert ask(here, "/policy").header("content-security-policy") == "default-src 'none'"


def test_the_policy_is_strict_if_none_is_given() -> None:
    headers: list[tuple[str, str]] = []

    def start(status: str, given: list[tuple[str, str]], *_: Any) -> Any:
        headers.extend(given)

    environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": "localhost", "PATH_INFO": "/"}
    guarded(lambda _, start: start("200 OK", []) or [], Guard())(environ, start)

    assert dict(headers)["Content-Security-Policy"].startswith("default-src 'self'; object-src 'none'")


def test_head_has_no_body_but_its_length(beyond: Server) -> None:
    answer = ask(beyond, method="HEAD")

    assert (answer.status, answer.text) == (403, "")
    assert answer.header("content-length") == str(len(ask(beyond).text))


# --- other users of this machine -------------------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
ASKS = """
import encodings.idna, os, sys, http.client
os.setuid(int(sys.argv[1]))
asking = http.client.HTTPConnection(sys.argv[2], int(sys.argv[3]))
asking.request("GET", "/", headers={"Host": "localhost"})
answer = asking.getresponse()
print(answer.status, answer.read().decode())
"""


def asked_by(user: int, port: int, end: str = "127.0.0.1") -> str:
    command = [sys.executable, "-c", ASKS, str(user), end, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@as_root
def test_another_user_of_this_machine_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # seen.txt is written there
    with served(tmp_path, "--uid", 4321) as server:
        assert asked_by(4322, server.port) == (
            "403 another user of this machine has started this exptools-view: "
            "who started it can give a token by --host 127.0.0.1\n\n"
        )
        assert asked_by(4321, server.port).startswith("200 ")
        assert asked_by(0, server.port).startswith("200 ")


@as_root
def test_a_token_lets_another_user_in_and_root_asks_nobody(tmp_path: Path, here: Server) -> None:
    with served(tmp_path, "--uid", 4321, "--host", "127.0.0.1") as server:
        assert asked_by(4322, server.port).startswith("403 the token is missing or wrong")
    assert asked_by(4322, here.port).startswith("200 ")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="the system does not tell whose a socket is")
def test_whose_a_socket_is_is_found(monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily) -> None:
    try:
        listening = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
        )
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(listening.getsockname()[:2])
        accepted, (address, number, *_) = listening.accept()
        ends = address, number, port
        assert list(peers._users(*ends)) == [os.getuid()]
        assert list(peers._users(address, number, port + 1)) == []
        for me, is_stranger in ((os.getuid() + 1, os.getuid() != 0), (os.getuid(), False), (0, False)):
            monkeypatch.setattr(peers.os, "geteuid", lambda me=me: me)
            assert peers.is_stranger(*ends) == is_stranger
        client.close()
        assert list(peers._users(*ends)) == [None]
        monkeypatch.setattr(peers.os, "geteuid", lambda: 4321)
        assert peers.is_stranger(*ends)
        accepted.close()


def test_a_client_in_both_families_of_addresses_is_found() -> None:
    assert peers._written("127.0.0.1") == peers._written("::ffff:127.0.0.1")
    assert len(peers._written("127.0.0.1")) == 2
    assert peers._written("unix") == []
