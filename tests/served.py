"""The explorer as a server within the tests' own process, and requests that no browser would send."""

import http.client
import json
import os
import socket
import threading
import time
from contextlib import contextmanager

from extras import needs

uvicorn = needs("web", "uvicorn")
needs("web", "gradio")

from backward_search.explorer.page import application, thumbnails_below
from backward_search.explorer.server import configured
from backward_search.stages.explore import explorer_of


@contextmanager
def served(options, folder, entrance=None):
    """Its port, and the application; it is configured as F1's."""
    place = os.environ.get("GRADIO_TEMP_DIR")  # it is each server's own, and Gradio knows one
    app = application(explorer_of(options, thumbnails_below(folder)), folder, options.upload_mb, entrance)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(**configured(app, "127.0.0.1", port)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield port, app
    finally:
        server.should_exit = True
        thread.join(10)
        if place is not None:
            os.environ["GRADIO_TEMP_DIR"] = place


class Client:
    """Sends what it is told, from an address of its own."""

    def __init__(self, port, own="127.0.0.1"):
        self.port, self.own = port, own

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(self.own, 0))
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, sent, **headers):
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return self.ask("POST", path, body, **{"Content-Type": "application/json", **headers})

    def call(self, name, data):
        """The status of a call by name, and what its events say; those of one that is refused are its answer."""
        status, _, body = self.post(f"/gradio_api/call/{name}", {"data": data})
        if status != 200:
            return status, body.decode()
        status, _, said = self.get(f"/gradio_api/call/{name}/{json.loads(body)['event_id']}")
        return status, said.decode()

    def event(self, number, data, session, event=None):
        """The outcome of an event of the page: whether it succeeded, and its output; a refusal is the status."""
        sent = {"data": data, "fn_index": number, "session_hash": session, "event_data": event, "trigger_id": 0}
        status, _, body = self.post("/gradio_api/queue/join", sent)
        if status != 200:
            return status, json.loads(body)
        _, _, said = self.get(f"/gradio_api/queue/data?session_hash={session}")
        lines = [json.loads(line[6:]) for line in said.decode().splitlines() if line.startswith("data: ")]
        (done,) = [line for line in lines if line["msg"] == "process_completed"]
        return done["success"], done["output"]

    def upload(self, data, name="a.png"):
        """The path of a file that was uploaded, or the status where it was refused."""
        mark = "0123456789"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        body = head + data + f"\r\n--{mark}--\r\n".encode()
        kind = f"multipart/form-data; boundary={mark}"
        status, _, said = self.ask("POST", "/gradio_api/upload", body, Content_Type=kind)
        return json.loads(said)[0] if status == 200 else status
