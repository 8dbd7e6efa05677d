"""The process that holds one llama.cpp model: `python -m inglenook.models.engine.child`.

Its first line of standard input is its configuration as JSON (`api_key` among it: secrets come by pipe only); the
rest of that pipe carries nothing, and its end means that the parent is gone. Its only line of standard output is
`{"port": …}` once it listens on 127.0.0.1, or `{"error": …}`. Everything else it has to say goes to standard error.

It imports little, for it is started anew with every model. Other kinds of children (`e5_child`) are this frame
around another listener.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1


def run(listen: Callable[[dict[str, Any]], int], *, at_end: Callable[[], None] | None = None) -> None:
    """Be such a process: configure, serve by `listen` (configuration in, port out), and end with the parent.

    Args:
        at_end: What to do before that, and when asked to end (SIGTERM).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the parent's to act on
    if at_end is not None:
        signal.signal(signal.SIGTERM, lambda *_: _leave(at_end))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if at_end is None else signal.SIGTERM)
    # Standard output stays ours; what libraries print goes to standard error.
    answer = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    config = json.loads(sys.stdin.buffer.readline() or b"{}")
    if os.getppid() != config.get("parent"):
        os._exit(1)  # the parent died before we could ask to be told
    threading.Thread(target=_exit_at_end_of_pipe, args=(at_end,), daemon=True).start()
    try:
        port = listen(config)
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent should hear of it
        answer.write(json.dumps({"error": str(error) or type(error).__name__}) + "\n")
        os._exit(1)
    answer.write(json.dumps({"port": port}) + "\n")
    threading.Event().wait()


def _exit_at_end_of_pipe(at_end: Callable[[], None] | None) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    _leave(at_end)


def _leave(at_end: Callable[[], None] | None) -> None:
    if at_end is not None:
        at_end()
    os._exit(0)


_servers: list[Any] = []
_CACHE_TYPES = {"f16": "GGML_TYPE_F16", "q8_0": "GGML_TYPE_Q8_0", "q4_0": "GGML_TYPE_Q4_0"}


def _listen(config: dict[str, Any]) -> int:
    import xllamacpp  # noqa: PLC0415 - the frame above serves children that do not need it

    params = xllamacpp.CommonParams()
    params.model.path = config["path"]
    params.load_mode = getattr(xllamacpp.llama_load_mode, f"LLAMA_LOAD_MODE_{config['load_mode']}")
    params.model_alias = {config["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config["api_key"]]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context"] * config["slots"]
    params.n_batch = params.n_ubatch = 512  # long prompts and running answers take turns by batch
    params.cpuparams.n_threads = config["threads"]
    params.cpuparams_batch.n_threads = config["threads_batch"]
    params.n_threads_http = config["slots"] + 4
    params.cache_ram_mib = config["cache_mib"]
    params.n_ctx_checkpoints = config["checkpoints"]
    params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, _CACHE_TYPES[config["cache_type"]])
    params.n_gpu_layers = config["gpu_layers"]
    params.ctx_shift = False
    params.fit_params = False
    params.warmup = False
    params.offline = True
    params.ui = False
    params.sse_ping_interval = -1
    params.verbosity = config.get("verbosity", 3)
    if config["template"]:
        params.chat_template = config["template"]
    if config["adapters"]:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, scale) for path, scale in config["adapters"]]
    if config["projector"]:
        params.mmproj.path = config["projector"]
    if config["pooling"]:
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{config['pooling'].upper()}")
        params.n_batch = params.n_ubatch = config["context"]
    server = xllamacpp.Server(params)
    _servers.append(server)
    return int(server.listening_address.rpartition(":")[2])


if __name__ == "__main__":
    run(_listen)
