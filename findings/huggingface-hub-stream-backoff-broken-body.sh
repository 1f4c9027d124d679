#!/usr/bin/env bash
# huggingface_hub 2.4.0: with http_stream_backoff, a connection that breaks within the body is a RuntimeError of contextlib.
#
# Guess: where the connection breaks while the body is read, the code in the `with` block sees the error of the HTTP
# client (httpx2.RemoteProtocolError), as with httpx2 alone; retries concern the request until its response is there.
# Seen: the error is thrown into the context manager, which takes it for a failed attempt, sends the request a second
# time and yields again. What the caller gets is "RuntimeError: generator didn't stop after throw()", after a wait and a
# whole second response that nobody can read; `except httpx2.HTTPError` does not catch it, and the cause is only its context.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check huggingface_hub==2.4.0
cd "$work"
cat > look.py <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import huggingface_hub
from huggingface_hub.utils import http_stream_backoff

requests = 0


class BreaksOnce(BaseHTTPRequestHandler):
    def do_GET(self):
        global requests
        requests += 1
        self.send_response(200)
        self.send_header("Content-Length", "20")
        self.end_headers()
        self.wfile.write(b"the first half" if requests == 1 else b"x" * 20)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), BreaksOnce)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"


def outcome(opened):
    global requests
    requests = 0
    try:
        with opened as response:
            response.read()
    except Exception as error:
        return type(error), str(error), requests
    return None


print("huggingface_hub", huggingface_hub.__version__)
alone = outcome(httpx2.stream("GET", url))
print("httpx2 alone:", *alone)
backoff = outcome(http_stream_backoff("GET", url))
print("http_stream_backoff:", *backoff)
assert alone[0] is httpx2.RemoteProtocolError and alone[2] == 1
assert backoff == (RuntimeError, "generator didn't stop after throw()", 2)
print("still so")
PY
"$work/venv/bin/python" look.py
