"""How the model is served and how requests are sent to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.paths import ImageText


class ContainerConfig(Section):
    """vLLM in a container."""

    engine: Literal["docker", "podman", "apptainer"] = Field(
        default="docker", description="What runs the container."
    )
    image: ImageText = Field(
        default="docker.io/vllm/vllm-openai:v0.32.0",
        description="Image with vLLM, by tag or digest; for apptainer also the path of a .sif file.",
    )
    gpus: str = Field(
        default="all", description="GPUs the container sees: all, none, or indices such as 0,1."
    )


class ServerConfig(Section):
    """The OpenAI-compatible server."""

    kind: Literal["vllm", "container", "command", "external"] = Field(
        default="vllm",
        description="vllm: the installed vLLM (GPU or CPU build); container: vLLM in a container; "
        "command: the server that `command` starts; external: `endpoints` are running already.",
    )
    command: list[str] = Field(
        default=[],
        validate_default=True,
        description="For `kind: command`: words of a command that serves the OpenAI completions API until it is ended. "
        "{model} (directory of the checkpoint), {port}, {host} and {name} (what the model is to be called) are filled "
        "in. The server is ready when GET /v1/models answers.",
    )
    lifetime: Literal["workflow", "job"] = Field(
        default="workflow",
        description="workflow: one server for all jobs of a model (one machine); job: each job that asks a model starts "
        "a server of its own (clusters).",
    )
    endpoints: list[str] = Field(
        default=[], description="Base URLs of running servers, for `kind: external`; none: OPENAI_BASE_URL."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Type of the weights; auto: float32 on a CPU, bfloat16 on a GPU."
    )
    max_model_len: int = Field(
        default=4096, ge=256, description="Longest prompt and answer together, in tokens."
    )
    max_num_seqs: int = Field(default=16, ge=1, description="Sequences the server computes at once.")
    tensor_parallel: int = Field(default=1, ge=1, description="GPUs that share one copy of the model.")
    gpus: int = Field(
        default=0,
        ge=0,
        description="GPUs requested by each job that starts a server of its own (lifetime: job); at least "
        "tensor_parallel on GPUs, 0 on CPUs. Which GPUs is set in the profile.",
    )
    kv_cache_gib: int = Field(
        default=2, ge=1, description="Memory for the key-value cache of the CPU build, in GiB."
    )
    startup_timeout_s: int = Field(
        default=900, ge=1, description="How long a server may take until it answers, in seconds."
    )
    container: ContainerConfig = Field(default_factory=ContainerConfig, description="For `kind: container`.")
    extra_args: list[str] = Field(
        default=[], description="Further arguments at the end of the server's command line."
    )

    @field_validator("command")
    @classmethod
    def _has_placeholders(cls, command: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("kind") == "command":
            missing = [each for each in ("{model}", "{port}") if not any(each in word for word in command)]
            if missing:
                raise ValueError(
                    f"with server.kind 'command', expected the words of a command with {' and '.join(missing)} in them"
                )
        return command


class ClientConfig(Section):
    """The dispatcher. Nothing here decides what a request says."""

    max_in_flight: int = Field(
        default=32,
        ge=1,
        description="Requests in flight per job; fewer while a server says that it is overloaded (429, 503). "
        "Some more than the servers compute at once keeps them busy.",
    )
    headers: dict[str, str] = Field(
        default={},
        description="More headers for every request. Keys are not for here: they come from OPENAI_API_KEY.",
    )
    timeout_s: float = Field(default=600, gt=0, description="Longest time for one request, in seconds.")
    max_retries: int = Field(
        default=8, ge=0, description="Times a request is sent again after trouble that may pass."
    )
    backoff_first_s: float = Field(
        default=0.5, gt=0, description="Longest wait before the first retry; doubles with each, in seconds."
    )
    backoff_longest_s: float = Field(default=30, gt=0, description="Longest wait before a retry, in seconds.")
    retry_after_longest_s: float = Field(
        default=60,
        ge=0,
        description="Longest wait that a server may ask for before a retry (its Retry-After header), in seconds; "
        "a longer one is cut to this.",
    )
    outage_s: float = Field(
        default=180,
        ge=0,
        description="How long all endpoints may be unreachable before the job gives up, in seconds.",
    )
    max_failed_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="The job fails if more than this share of its requests failed for good. Requests that a server "
        "refuses for what they say, such as a prompt that is too long, do not count unless all of them are refused.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_least_number(cls, value: Any) -> Any:
        if isinstance(value, dict) and "min_in_flight" in value:
            raise ValueError(
                "`client.min_in_flight` is no longer a key: `client.max_in_flight` requests are in flight, and fewer "
                "only while a server says that it is overloaded; remove it"
            )
        return value
