"""GPUs, as fake builds and fake machines show them: there is none where these tests run."""

import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from inglenook.kit.config import Settings, load_settings
from inglenook.models.engine import gpu
from inglenook.models.engine.gpu import NONE, Build, Device, Hardware, advised, hardware, install_command, read
from inglenook.models.engine.memory import MIB
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import BOUNDLESS, Source, from_path
from inglenook.models.hub.layout import ModelStore
from tests.support.gguf import tiny_llama

GIB = 1 << 30


def device(name: str = "CUDA0", kind: str = "GPU", free: int = 20 * GIB) -> dict[str, Any]:
    return {"name": name, "description": "a card", "type": kind, "memory_total": 24 * GIB, "memory_free": free}


CPU = {"name": "CPU", "description": "a processor", "type": "CPU", "memory_total": 64 * GIB, "memory_free": 60 * GIB}


@pytest.mark.parametrize(
    ("devices", "system", "backend", "names", "shared"),
    [
        ([CPU], "CPU : SSE3 = 1 |", "CPU", [], False),
        ([CPU, device("CUDA0"), device("CUDA1")], "CUDA : ARCHS = 860 |", "CUDA", ["CUDA0", "CUDA1"], False),
        ([device("ROCm0"), CPU], "ROCm : |", "ROCm", ["ROCm0"], False),
        ([device("Vulkan0"), device("Vulkan1", "IGPU"), CPU], "", "Vulkan", ["Vulkan0"], False),
        ([device("Vulkan0", "IGPU"), CPU], "", "Vulkan", ["Vulkan0"], True),
        ([device("MTL0"), {**CPU, "name": "BLAS", "type": "ACCEL"}], "", "Metal", ["MTL0"], True),
        ([CPU], "CUDA : ARCHS = 860 | CPU : SSE3 = 1", "CUDA", [], False),  # its driver is missing
        ([device("NPU0")], "", "CPU", [], False),
    ],
)
def test_builds_are_told_apart_by_what_they_see(
    devices: list[dict[str, Any]], system: str, backend: str, names: list[str], shared: bool
) -> None:
    build = read({"version": "1", "system": system, "devices": devices})
    assert (build.backend, [one.name for one in build.devices], build.shared) == (backend, names, shared)


def test_the_build_that_is_here_knows_no_gpu() -> None:
    build = gpu.ask()
    assert (build.backend, build.devices, build.problem) == ("CPU", (), "")
    assert build.version


#: A package in the place of the engine's: the devices of a GPU build, and a server that refuses GPUs or answers.
FAKE = """
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
__version__ = "9.9"
def get_system_info(): return "CUDA : ARCHS = 860 |"
def get_device_info():
    if {crash}: raise OSError("libcuda.so.1: cannot open shared object file")
    return [dict(name="CUDA0", description="Fake RTX", type="GPU", memory_total=8 << 30, memory_free=6 << 30)]
class _Any:
    def __getattr__(self, name):
        value = _Any(); self.__dict__[name] = value; return value
CommonParams = _Any
def __getattr__(name): return _Any()
class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self): self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
class Server:
    def __init__(self, params):
        with open({record!r}, "a") as file: file.write(f"{{params.n_gpu_layers}}\\n")
        if params.n_gpu_layers: raise RuntimeError("cudaMalloc failed: out of memory")
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{{server.server_port}}"
"""


def fake_build(folder: Path, monkeypatch: pytest.MonkeyPatch, *, crash: bool = False) -> Path:
    """Put the fake in the engine's place; returns where it writes how many layers it was asked to put on the GPU."""
    package, record = folder / "fake", folder / "layers"
    package.mkdir()
    (package / "xllamacpp.py").write_text(textwrap.dedent(FAKE.format(crash=crash, record=str(record))))
    monkeypatch.setenv("PYTHONPATH", str(package))
    return record


def test_a_gpu_build_is_picked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_build(tmp_path, monkeypatch)
    build = gpu.ask()
    assert (build.backend, build.version) == ("CUDA", "9.9")
    assert [(one.description, one.free) for one in build.devices] == [("Fake RTX", 6 << 30)]


def test_a_build_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_build(tmp_path, monkeypatch, crash=True)
    assert "libcuda.so.1: cannot open" in gpu.ask().problem


def machine(root: Path, *cards: tuple[str, str]) -> Path:
    for number, (vendor, kind) in enumerate(cards):
        folder = root / "sys/bus/pci/devices" / f"0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "class").write_text(f"{kind}\n")
    return root


def test_cards_are_found_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    smi = tools / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '| NVIDIA-SMI 570.1  Driver Version: 570.1  CUDA Version: 12.8 |'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    root = machine(tmp_path / "a", ("0x10de", "0x030000"), ("0x1002", "0x038000"), ("0x10ec", "0x020000"))
    (root / "opt/rocm/.info").mkdir(parents=True)
    (root / "opt/rocm/.info/version").write_text("6.4.1-83\n")
    assert hardware(root) == [Hardware(vendor="NVIDIA", driver="12.8"), Hardware(vendor="AMD", driver="6.4.1-83")]
    assert hardware(machine(tmp_path / "b", ("0x10de", "0x040300"))) == []  # its sound only
    (tmp_path / "c/dev").mkdir(parents=True)
    (tmp_path / "c/dev/nvidiactl").touch()
    assert [card.vendor for card in hardware(tmp_path / "c")] == ["NVIDIA"]


def test_where_there_is_no_gpu_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ask", lambda: pytest.fail("a process was started"))
    assert gpu.probe(tmp_path) is NONE


@pytest.mark.parametrize(
    ("card", "build"),
    [
        (Hardware(vendor="NVIDIA", driver="13.2"), "cu132"),
        (Hardware(vendor="NVIDIA", driver="13.0"), "cu128"),
        (Hardware(vendor="NVIDIA", driver="12.8"), "cu128"),
        (Hardware(vendor="NVIDIA", driver="12.4"), "vulkan"),
        (Hardware(vendor="NVIDIA"), "vulkan"),
        (Hardware(vendor="AMD", driver="7.2.4"), "rocm-7.2.4"),
        (Hardware(vendor="AMD", driver="6.4.1"), "rocm-6.4.1"),
        (Hardware(vendor="AMD"), "vulkan"),
        (Hardware(vendor="Intel"), "vulkan"),
        (Hardware(vendor="Apple"), ""),
    ],
)
def test_the_right_build_is_advised_with_its_command(card: Hardware, build: str) -> None:
    assert advised(card) == build
    command = install_command(build, "2026.1")
    assert "xllamacpp==2026.1" in command
    assert command.endswith(f"/{build}") is bool(build)


# ------------------------------------------------------------------------------------------------ planning


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """One whose file is said to be of 3 GiB, in its two layers and that of the answer."""
    found = from_path(tiny_llama(tmp_path / "tiny.gguf"))
    assert found.file is not None
    return structs.replace(found, file=structs.replace(found.file, size=3 * GIB))


def build(free: int, **more: Any) -> Build:
    return Build(
        backend="CUDA",
        devices=(Device(name="CUDA0", description="", backend="CUDA", total=24 * GIB, free=free, **more),),
    )


def plan(source: Source, gpus: Build, most: int = 64 * GIB, **settings: Any) -> Any:
    room = structs.replace(BOUNDLESS, budget=most, free=most, available=most, gpus=gpus)
    return source.plan(2048, Settings(**settings), room)


def test_as_many_layers_go_to_the_gpu_as_fit(source: Source) -> None:
    without = plan(source, NONE)
    assert (without.gpu_layers, without.spec.config["gpu_layers"]) == (0, 0)
    whole = plan(source, build(20 * GIB))
    assert whole.gpu_layers == whole.spec.config["gpu_layers"] == 3
    assert whole.memory < without.memory - 2.9 * GIB
    assert whole.gpu_memory > 2.9 * GIB
    assert plan(source, build(2 * GIB)).gpu_layers == 1
    assert plan(source, build(GIB)).gpu_layers == 0
    assert plan(source, build(20 * GIB), gpu_layers=2).gpu_layers == 2
    assert plan(source, build(20 * GIB), gpu_layers=0).gpu_layers == 0


def test_what_is_on_the_gpu_needs_no_memory_of_the_machine(source: Source) -> None:
    assert plan(source, build(20 * GIB), most=GIB).gpu_layers == 3
    with pytest.raises(Exception, match="needs about"):
        plan(source, build(20 * GIB, shared=True), most=GIB)  # where the GPU has the machine's own


@asynccontextmanager
async def engine_with(folder: Path, probe: Callable[[], Build], **settings: Any) -> AsyncIterator[Engine]:
    store = ModelStore(folder / "models")
    for name in ("one", "two"):
        store.import_gguf(tiny_llama(folder / f"{name}.gguf", seed=len(name) + ord(name[0])), name)
    engine = Engine(load_settings(data=folder, parallel=1, **settings), store, probe=probe)
    try:
        yield engine
    finally:
        await engine.stop()


async def test_models_take_turns_on_a_gpu_that_has_room_for_one(tmp_path: Path) -> None:
    asked: list[int] = []

    def probe() -> Build:
        """A card with enough for one and a half; what it says is free shrinks by what is loaded."""
        asked.append(1)
        return build(512 * MIB + needed[0] * 3 // 2 - engine._on_gpus())

    needed: list[int] = []
    async with engine_with(tmp_path, probe) as engine:
        source = await engine.source("one")
        needed.append(plan(source, build(20 * GIB), parallel=1).gpu_memory)
        await engine.load("one", num_ctx=2048)
        assert [(model.gpu_layers, model.gpu_memory) for model in engine.status()] == [(3, needed[0])]
        await engine.load("two", num_ctx=2048)
        assert [(model.name, model.gpu_layers) for model in engine.status()] == [("two:latest", 3)]
        assert len(asked) == 2


async def test_a_machine_without_a_gpu_is_looked_at_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def probe() -> Build:
        asked.append(1)
        return NONE

    async with engine_with(tmp_path, probe) as engine:
        await engine.load("one")
        await engine.load("two")
        assert len(asked) == 1
        assert {model.gpu_layers for model in engine.status()} == {0}


async def test_gpus_can_be_left_alone(tmp_path: Path) -> None:
    async with engine_with(tmp_path, lambda: pytest.fail("it was asked"), gpu_layers=0) as engine:
        await engine.load("one")


async def test_a_gpu_that_refuses_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = fake_build(tmp_path, monkeypatch)
    async with engine_with(tmp_path, gpu.ask) as engine:
        await engine.load("one")
        assert [model.gpu_layers for model in engine.status()] == [0]
    assert lines(record) == ["3", "0"]


def lines(path: Path) -> list[str]:
    return path.read_text().split()
