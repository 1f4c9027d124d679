#!/usr/bin/env bash
# openai 3.54.0 with its aiohttp backend: a refused connection is reported as a time-out.
#
# Guess: a server that is not there raises APIConnectionError and not its subclass APITimeoutError, with either HTTP
# backend, so that a client can tell "down" (look elsewhere) from "slow" (send less).
# Seen: with the default backend it does. With DefaultAioHttpClient the refusal comes at once and yet as APITimeoutError;
# only the chain of causes still says that the connection was refused.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openai[aiohttp]==3.54.0'
cd "$work"
cat > look.py <<'PY'
import asyncio
import socket
import time

import openai

with socket.create_server(("127.0.0.1", 0)) as closed:
    port = closed.getsockname()[1]

def causes(error):
    while error is not None:
        yield type(error).__name__
        error = error.__cause__ or error.__context__

async def refused(backend):
    client = openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0, timeout=30, http_client=backend
    )
    began = time.monotonic()
    try:
        await client.completions.create(model="m", prompt="p")
    except openai.APIConnectionError as error:
        return type(error).__name__, round(time.monotonic() - began, 1), list(causes(error))
    finally:
        await client.close()

async def main():
    default = await refused(None)
    aio = await refused(openai.DefaultAioHttpClient())
    print("openai", openai.__version__)
    print("default backend:", *default)
    print("aiohttp backend:", *aio)
    assert default[0] == "APIConnectionError"
    assert aio[0] == "APITimeoutError" and aio[1] < 5
    assert any("Connector" in name or "Refused" in name for name in aio[2])
    print("still so")

asyncio.run(main())
PY
"$work/venv/bin/python" look.py
