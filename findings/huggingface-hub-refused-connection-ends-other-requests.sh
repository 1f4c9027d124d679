#!/usr/bin/env bash
# huggingface_hub 2.4.0: a refused connection in one thread ends the requests of all other threads, to any host.
#
# Guess: requests of two threads to two hosts fail independently of each other.
# Seen: the client is shared by all calls of the process, and a request that cannot connect closes it, with the connections
# on which other threads wait. Their healthy request fails ("Bad file descriptor"); with retries, it is sent a second time,
# also where it is a POST that the server had taken and was about to answer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check huggingface_hub==2.4.0
cd "$work"
cat > look.py <<'PY'
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import huggingface_hub
from huggingface_hub.utils import http_backoff

taken, answer = threading.Event(), threading.Event()
posts = 0


class Healthy(BaseHTTPRequestHandler):
    def do_POST(self):
        global posts
        posts += 1
        taken.set()
        answer.wait(30)
        try:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
        except ConnectionError:
            pass

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
threading.Thread(target=server.serve_forever, daemon=True).start()
healthy = f"http://127.0.0.1:{server.server_port}/"
with socket.create_server(("127.0.0.1", 0)) as closed:
    absent = f"http://127.0.0.1:{closed.getsockname()[1]}/"


def outcome(max_retries, other_fails):
    """Post to the healthy host, while another thread meets one that is not there; return the result and the number of posts."""
    global posts
    posts, results = 0, []
    taken.clear()
    answer.clear()

    def post():
        try:
            results.append(http_backoff("POST", healthy, max_retries=max_retries, timeout=30).text)
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    assert taken.wait(30)
    if other_fails:
        try:
            http_backoff("GET", absent, max_retries=0)
        except httpx2.ConnectError:
            pass
    answer.set()
    thread.join()
    return results[0], posts


print("huggingface_hub", huggingface_hub.__version__)
alone, once, again = outcome(0, False), outcome(0, True), outcome(5, True)
print("alone:", alone)
print("beside a refused connection:", repr(once[0]), once[1])
print("the same with retries:", again)
assert alone == ("ok", 1)
assert isinstance(once[0], httpx2.ReadError) and once[1] == 1
assert again == ("ok", 2), "the server takes the POST twice"
print("still so")
PY
"$work/venv/bin/python" look.py
