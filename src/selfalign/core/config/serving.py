"""Configuration of the inference server and its client."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.paths import ImageText


class ContainerConfig(Section):
    """vLLM in a container."""

    engine: Literal["docker", "podman", "apptainer"] = Field(
        default="docker", description="Container engine."
    )
    image: ImageText = Field(
        default="docker.io/vllm/vllm-openai:v0.32.0",
        description="Image with vLLM, by tag or digest; for apptainer also the path of a .sif file.",
    )
    gpus: str = Field(
        default="all", description="GPUs visible in the container: all, none, or indices such as 0,1."
    )


class ServerConfig(Section):
    """The OpenAI-compatible inference server."""

    kind: Literal["vllm", "container", "command", "external"] = Field(
        default="vllm",
        description="vllm: the installed vLLM (GPU or CPU build); container: vLLM in a container; "
        "command: a server started by `command`; external: servers that are already running at `endpoints`. Changing to or from "
        "external does rerun what a model generates, since its checkpoint is then no longer, or newly, an input.",
    )
    command: list[str] = Field(
        default=[],
        validate_default=True,
        description="Command line, for `kind: command`, of a server of the OpenAI completions API that runs in the "
        "foreground. {model} (directory of the checkpoint), {port}, {host} and {name} (name of the model at "
        "the server) are "
        "substituted. The server is ready when it responds to GET /v1/models.",
    )
    lifetime: Literal["workflow", "job"] = Field(
        default="workflow",
        description="workflow: one server for all jobs of a model, on a single machine; job: every job that "
        "sends requests "
        "starts a server of its own, for clusters.",
    )
    endpoints: list[str] = Field(
        default=[],
        description="Base URLs of running servers, for `kind: external`; []: the environment variable "
        "OPENAI_BASE_URL.",
    )
    token_ids: bool = Field(
        default=True,
        description="Send prompts in a chat layout as token ids, exactly as in training. false: as text that "
        "contains all special tokens, with add_special_tokens: false, for servers that accept no token ids.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Data type of the weights; auto: bfloat16 on a GPU, and on a CPU that has instructions for it "
        "(AVX512-BF16 or AMX); otherwise float32.",
    )
    max_model_len: int = Field(
        default=2048, ge=256, description="Maximum length of prompt and completion together, in tokens."
    )
    max_num_seqs: int = Field(
        default=64, ge=1, description="Maximum number of sequences in a batch of the server."
    )
    tensor_parallel: int = Field(
        default=1, ge=1, description="Tensor-parallel size: number of GPUs per copy of the model."
    )
    replicas: int = Field(
        default=1,
        ge=1,
        description="Number of servers of the model that are started together on one node (data parallelism). On "
        "GPUs, each uses tensor_parallel GPUs of its own; on CPUs, they divide the cores. Requests with the same "
        "few-shot examples are sent to the same replica, for its prefix cache. Increase client.max_in_flight with "
        "it.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        description="GPUs requested for each replica by a job that starts servers of its own (lifetime: job); at "
        "least tensor_parallel on GPUs, 0 on CPUs. Which GPUs is set in the profile.",
    )
    kv_cache_gib: int = Field(
        default=2, ge=1, description="Size of the key-value cache of the CPU build, in GiB."
    )
    startup_timeout_s: int = Field(
        default=900, ge=1, description="Timeout of the start of a server, in seconds."
    )
    container: ContainerConfig = Field(
        default_factory=ContainerConfig, description="Container, for `kind: container`."
    )
    extra_args: list[str] = Field(
        default=[], description="Additional arguments, appended to the command line of the server."
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

    @model_validator(mode="after")
    def _replicas_have_resources(self) -> ServerConfig:
        if self.replicas == 1:
            return self
        if self.kind == "external":
            raise ValueError(
                f"'server.replicas' is {self.replicas}, but 'server.kind' is 'external': selfalign does not start these "
                "servers; list the URL of each replica in 'server.endpoints', and set 'server.replicas' to 1"
            )
        if self.kind == "container" and self.container.gpus != "all":
            listed = 0 if self.container.gpus == "none" else len(self.container.gpus.split(","))
            if listed < (needed := self.replicas * self.tensor_parallel):
                raise ValueError(
                    f"'server.container.gpus' is '{self.container.gpus}', but 'server.replicas' {self.replicas} with "
                    f"'server.tensor_parallel' {self.tensor_parallel} needs {needed} GPUs; list {needed} indices, or "
                    "set all"
                )
        return self


class ClientConfig(Section):
    """Concurrency, timeouts and retries. Nothing here changes the content of a request."""

    max_in_flight: int = Field(
        default=64,
        ge=1,
        description="Maximum number of concurrent requests per job, reduced while a server reports overload "
        "(429, 503). "
        "Somewhat more than the servers process at a time keeps them busy.",
    )
    headers: dict[str, str] = Field(
        default={},
        description="Additional HTTP headers. Do not put API keys here; they are read from OPENAI_API_KEY.",
    )
    timeout_s: float = Field(default=600, gt=0, description="Timeout of a request, in seconds.")
    max_retries: int = Field(
        default=8, ge=0, description="Maximum number of retries of a request after transient errors."
    )
    backoff_first_s: float = Field(
        default=0.5,
        gt=0,
        description="Maximum delay before the first retry, in seconds; doubled with every retry.",
    )
    backoff_longest_s: float = Field(
        default=30, gt=0, description="Maximum delay before any retry, in seconds."
    )
    retry_after_longest_s: float = Field(
        default=60,
        ge=0,
        description="Maximum delay that is accepted from the Retry-After header of a server, in seconds; "
        "longer delays are "
        "capped.",
    )
    outage_s: float = Field(
        default=180,
        ge=0,
        description="Time after which the job fails if all endpoints are unreachable, in seconds.",
    )
    max_failed_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Maximum share of permanently failed requests; above it the job fails. Requests that a "
        "server rejects "
        "because of their content, such as a prompt that is too long, are not counted unless all are rejected.",
    )

    @model_validator(mode="before")
    @classmethod
    def _reject_min_in_flight(cls, value: Any) -> Any:
        if isinstance(value, dict) and "min_in_flight" in value:
            raise ValueError(
                "`client.min_in_flight` no longer exists: `client.max_in_flight` requests are in flight, and fewer only "
                "while a server reports overload; remove it"
            )
        return value
