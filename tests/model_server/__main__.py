"""The server's program: answers ``/v1/completions`` with the completions of :mod:`tests.model_server.canned`.

They are deterministic. The server can inject faults (:mod:`tests.model_server.faults`) and simulate latencies
(:mod:`tests.model_server.pace`).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.model_server import canned
from tests.model_server.faults import Faults
from tests.model_server.pace import Lengths, Pace

# Limit of the completions API, and of vLLM.
MAX_STOPS = 4


class CannedServer:
    """Responses of the server.

    Args:
        models: names of the served models; requests for others are answered with 404.
        revision: revision in the list of models; None for none.
        faults: injected faults; None for none.
        pace: simulated latency; None for none.
        lengths: distribution of the lengths of completions, which then consist of filler text; None for canned ones.
        record: file to which the SHA-256 of each request body is appended, as "asked …" and "answered …"; None for none.
        instant: always respond with one precomputed completion, to measure clients.
        tokenizer: decodes prompts of token ids; None: prompts are texts.
    """

    def __init__(
        self,
        models: list[str],
        *,
        revision: str | None = None,
        faults: Faults | None = None,
        pace: Pace | None = None,
        lengths: Lengths | None = None,
        record: Path | None = None,
        instant: bool = False,
        tokenizer: Any = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._models = models
        self._revision = revision
        self._faults = faults or Faults({})
        self._pace = pace
        self._lengths = lengths
        self._record = record.open("a", buffering=1) if record else None
        self._instant = _encode(self._answer({"n": 1}, "", b"", [16])) if instant else None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        if request.method == "GET":
            return self._get(request.path)
        if request.path != "/v1/completions":
            return _error(404, f"no such path: {request.path}")
        data = await request.read()
        if self._instant is not None:
            return web.Response(body=self._instant, content_type="application/json")
        try:
            body = json.loads(data)
            prompt = self._text(body["prompt"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "expected a JSON object with a prompt")
        return self._refusal(body) or await self._complete(request, data, body, prompt)

    def _text(self, prompt: str | list[int]) -> str:
        """Return the text of a prompt that is text or token ids."""
        if isinstance(prompt, str):
            return prompt
        if self._tokenizer is None:
            return " ".join(map(str, prompt))
        return self._tokenizer.decode(prompt, skip_special_tokens=False)

    def _refusal(self, body: dict[str, Any]) -> web.Response | None:
        """Return the error response of an invalid request; None if the request is valid."""
        if body.get("model") not in self._models:
            return _error(404, f"The model `{body.get('model')}` does not exist.")
        if len(body.get("stop") or []) > MAX_STOPS:
            return _error(400, f"stop: expected at most {MAX_STOPS} strings")
        return None

    async def _complete(
        self, request: web.BaseRequest, data: bytes, body: dict[str, Any], prompt: str
    ) -> web.StreamResponse:
        self._note("asked", data)
        lengths = [self._lengths.draw(data, i) for i in range(body.get("n", 1))] if self._lengths else None
        answer = self._answer(body, prompt, data, lengths)
        fault = self._faults.choose(data)
        if fault is not None:
            return await self._faults.reply(fault, request, _encode(answer))
        if self._pace is not None:
            usage = answer["usage"]
            await self._pace.wait(usage["prompt_tokens"], lengths or [usage["completion_tokens"]])
        self._note("answered", data)
        return web.Response(body=_encode(answer), content_type="application/json")

    def _answer(
        self, body: dict[str, Any], prompt: str, data: bytes, lengths: list[int] | None
    ) -> dict[str, Any]:
        if lengths is None:
            texts = [canned.complete(prompt, body.get("seed"), i) for i in range(body.get("n", 1))]
        else:
            word = hashlib.sha256(data).hexdigest()[:3]
            texts = [f"{word} " * length for length in lengths]
        choices = [self._choice(i, body, text) for i, text in enumerate(texts)]
        completion = sum(_tokens(choice["text"]) for choice in choices)
        prompt_tokens = _tokens(prompt)
        return {
            "id": "cmpl-canned",
            "object": "text_completion",
            "created": 0,
            "model": self._models[0],
            "choices": choices,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion,
                "total_tokens": prompt_tokens + completion,
            },
        }

    def _choice(self, index: int, body: dict[str, Any], text: str) -> dict[str, Any]:
        for stop in body.get("stop") or []:
            text = text.split(stop, 1)[0]
        limit = body.get("max_tokens", 16) * 4
        reason = "stop" if len(text) <= limit else "length"
        return {"index": index, "text": text[:limit], "finish_reason": reason, "logprobs": None}

    def _note(self, event: str, data: bytes) -> None:
        if self._record is not None:
            self._record.write(f"{event} {hashlib.sha256(data).hexdigest()}\n")

    def _get(self, path: str) -> web.Response:
        if path == "/v1/models":
            more = {"revision": self._revision} if self._revision else {}
            cards = [{"id": name, "object": "model", "owned_by": "tests", **more} for name in self._models]
            return web.json_response({"object": "list", "data": cards})
        if path == "/health":
            return web.Response()
        return _error(404, f"no such path: {path}")


def _tokens(text: str) -> int:
    """Return an approximate number of tokens: four characters per token, rounded up."""
    return -(-len(text) // 4)


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def _error(status: int, message: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": "invalid_request_error", "code": status}}, status=status
    )


async def serve(server: CannedServer, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; prints ``listening on URL`` once ready (port 0: any free one)."""
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, reuse_address=True, backlog=1024)
    await site.start()
    bound = runner.addresses[0][1]
    print(f"listening on http://{host}:{bound}/v1", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def _tokenizer(checkpoint: str | None) -> Any:
    path = Path(checkpoint or "") / "tokenizer.json"
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A test double of an OpenAI-compatible server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--model", nargs="+", default=["base"], help="names of the model served")
    parser.add_argument(
        "--checkpoint", help="directory with tokenizer.json, which decodes prompts of token ids"
    )
    parser.add_argument("--revision", help="revision stated in the list of models")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND=RATE", help="may be repeated")
    parser.add_argument(
        "--retry-after", type=float, default=0.05, help="Retry-After of status 429, in seconds"
    )
    parser.add_argument("--stall", type=float, default=60.0, help="duration of a stalled request, in seconds")
    parser.add_argument("--slots", type=int, help="number of concurrent sequences; needs --token-ms")
    parser.add_argument("--token-ms", type=float, default=0.0, help="time of one generated token")
    parser.add_argument("--prompt-token-ms", type=float, default=0.0, help="time of one prompt token")
    parser.add_argument(
        "--lengths",
        nargs=3,
        type=float,
        metavar=("MEDIAN", "SIGMA", "MAX"),
        help="distribution of completion lengths, in tokens",
    )
    parser.add_argument("--record", type=Path, help="append the hashes of requests to this file")
    parser.add_argument("--instant", action="store_true", help="always send one precomputed completion")
    return parser


def main() -> None:
    """Parse the command line and serve."""
    given = _parser().parse_args()
    rates = {kind: float(rate) for kind, _, rate in (fault.partition("=") for fault in given.fault)}

    async def run() -> None:
        lengths = (
            Lengths(given.lengths[0], given.lengths[1], int(given.lengths[2])) if given.lengths else None
        )
        pace = Pace(given.slots, given.token_ms / 1e3, given.prompt_token_ms / 1e3) if given.slots else None
        server = CannedServer(
            given.model,
            revision=given.revision,
            faults=Faults(rates, given.retry_after, given.stall),
            pace=pace,
            lengths=lengths,
            record=given.record,
            instant=given.instant,
            tokenizer=_tokenizer(given.checkpoint),
        )
        await serve(server, given.host, given.port)

    asyncio.run(run())


if __name__ == "__main__":
    main()
