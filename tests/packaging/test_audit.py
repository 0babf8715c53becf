"""The audit: what a service knows is told, and where it was not asked nothing looks as if it had been."""

import http.server
import json
import threading

import audit
import pytest
from extras import needs

KNOWN = {
    "id": "PYSEC-0000-1",
    "summary": "made for a test",
    "affected": [
        {
            "package": {"name": "pillow", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "10.3.0"}]}],
        }
    ],
}
LOCK = "pillow==10.2.0 \\\n    --hash=sha256:00\nsix==1.16.0 ; sys_platform == 'linux' \\\n    --hash=sha256:00\n"


class Service(http.server.BaseHTTPRequestHandler):
    """A service that knows of one vulnerability, and answers in OSV's form."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = [KNOWN] if (asked["package"]["name"], asked["version"]) == ("pillow", "10.2.0") else []
        content = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    needs("release", "pip_audit")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield ["--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{server.server_port}/"]
        server.shutdown()


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "a.lock"
    file.write_text(LOCK)
    return file


def test_a_known_vulnerability_is_told(service, lock, capsys):
    assert audit.main([str(lock), *service]) == 1
    told = capsys.readouterr().out
    assert "pillow 10.2.0: PYSEC-0000-1, mended in 10.3.0" in told
    assert "2 packages, 1 with" in told


def test_without_any_it_ends_well(service, lock, capsys):
    lock.write_text(LOCK.replace("10.2.0", "12.0.0"))
    assert audit.main([str(lock), *service]) == 0
    assert "2 packages, none with" in capsys.readouterr().out


def test_a_service_out_of_reach_is_one_line(service, lock, capsys):
    assert audit.main([str(lock), *service[:-1], "http://127.0.0.1:9/"]) == 2
    told = capsys.readouterr().out
    assert told.startswith("not audited: ")
    assert told.count("\n") == 1


def test_packages_that_the_service_does_not_know_do_not_pass(lock, capsys, monkeypatch):
    unknown = [{"name": "pillow", "version": "10.2.0", "vulns": []}, {"name": "six", "skip_reason": "not found"}]
    monkeypatch.setattr(audit, "answers", lambda pins, options: unknown)
    assert audit.main([str(lock)]) == 2
    assert "1 of 2 packages are unknown to the service (six)" in capsys.readouterr().out


def test_a_lock_that_pins_nothing_does_not_pass(tmp_path, capsys):
    (tmp_path / "empty.lock").write_text("# nothing\n")
    for name in ("empty.lock", "absent.lock"):
        assert audit.main([str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().out


def test_the_environment_is_asked_about_by_releases():
    found = dict(pin.split("==") for pin in audit.installed())
    assert {"torch", "numpy", "pillow"} <= found.keys()
    assert audit.OWN not in found
    assert not any("+" in version for version in found.values())
