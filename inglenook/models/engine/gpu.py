"""GPUs: what this machine has, what the build of llama.cpp here can use of it, and which build would use more.

The engine is one package with several builds of the same name: for CPUs and Apple's Metal on the package index, for
CUDA, ROCm and Vulkan on its authors' own. Which one is installed shows in the devices it knows, so it is asked, in a
process of its own (`python -m inglenook.models.engine.gpu`): drivers are loaded, and may crash.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from inglenook.models.engine.memory import MIB
from inglenook.models.engine.process import child_environment

_TIMEOUT = 30.0
#: Left free on each device for what is not counted: the driver's own, and scratch space.
_RESERVE = 512 * MIB
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
#: How llama.cpp names the devices of a build.
_BACKENDS = {"CUDA": "CUDA", "ROCm": "ROCm", "HIP": "ROCm", "Vulkan": "Vulkan", "MTL": "Metal", "Metal": "Metal"}
#: Where the builds are.
_BUILDS = "https://xorbitsai.github.io/xllamacpp/whl"


class Device(Struct, frozen=True, kw_only=True):
    """A GPU as the build of llama.cpp knows it. Memory in bytes; `shared`: it is the machine's own."""

    name: str
    description: str
    backend: str
    total: int
    free: int
    shared: bool = False


class Build(Struct, frozen=True, kw_only=True):
    """What is installed: `backend` is `CPU` where it knows no GPU. `problem`: why it could not be asked."""

    backend: str = "CPU"
    version: str = ""
    devices: tuple[Device, ...] = ()
    problem: str = ""

    def usable(self, work: int) -> int:
        """Bytes that a model may take on the GPUs, when it needs `work` on each beside its layers."""
        return sum(max(0, device.free - max(_RESERVE, work)) for device in self.devices)

    @property
    def shared(self) -> bool:
        """Whether what is put there is in the machine's memory all the same."""
        return any(device.shared for device in self.devices)


#: A build that uses no GPU.
NONE = Build()


class Hardware(Struct, frozen=True, kw_only=True):
    """A GPU of this machine, whatever can use it. `driver`: the version of CUDA or ROCm it has; empty if unknown."""

    vendor: str
    name: str = ""
    driver: str = ""


def probe(root: Path = Path("/")) -> Build:
    """Ask the build that is installed, if this machine has a GPU at all. Blocks for up to some seconds."""
    return ask() if hardware(root) else NONE


def ask() -> Build:
    """Ask the build that is installed. Blocks for up to some seconds."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "inglenook.models.engine.gpu"],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        return read(json.loads(done.stdout.strip().rpartition("\n")[2]))
    except subprocess.TimeoutExpired:
        return Build(problem=f"it did not tell its devices within {_TIMEOUT:g} s")
    except (OSError, ValueError, KeyError, TypeError):
        last = done.stderr.strip().rpartition("\n")[2] if "done" in locals() else ""
        return Build(problem=last or "it ended without a word")


def read(told: dict[str, Any]) -> Build:
    """What the process told: the version, and every device with its type (`GPU`, `IGPU`, `CPU`, …)."""
    devices = []
    for device in told["devices"]:
        prefix = re.match(r"[A-Za-z]+", device["name"])
        backend = _BACKENDS.get(prefix[0] if prefix else "", "")
        if device["type"] not in ("GPU", "IGPU") or not backend:
            continue
        devices.append(
            Device(
                name=device["name"],
                description=device["description"],
                backend=backend,
                total=int(device["memory_total"]),
                free=int(device["memory_free"]),
                shared=device["type"] == "IGPU" or backend == "Metal",
            )
        )
    # llama.cpp leaves an integrated one alone where there is a real one.
    own = [device for device in devices if not device.shared] or devices
    known = next(
        (name for word, name in _BACKENDS.items() if re.search(rf"\b{word}\s*:", told.get("system", ""))), "CPU"
    )
    backend = own[0].backend if own else known
    return Build(backend=backend, version=str(told.get("version", "")), devices=tuple(own))


def hardware(root: Path = Path("/")) -> list[Hardware]:
    """The GPUs of this machine, by what the system says; no driver is loaded."""
    if sys.platform == "darwin":
        return [Hardware(vendor="Apple")] if platform.machine() == "arm64" else []
    found: list[Hardware] = []
    for entry in sorted((root / "sys/bus/pci/devices").glob("*")):
        with suppress(OSError):
            kind = (entry / "class").read_text().strip()
            vendor = _VENDORS.get((entry / "vendor").read_text().strip())
            if vendor and kind.startswith(("0x0300", "0x0302", "0x0380")):
                found.append(Hardware(vendor=vendor, driver=_driver(vendor, root)))
    if not found and (root / "dev/nvidiactl").exists():  # in a container, the bus may be hidden
        found.append(Hardware(vendor="NVIDIA", driver=_driver("NVIDIA", root)))
    if not found and (root / "dev/dxg").exists() and shutil.which("nvidia-smi"):  # Windows' own GPU, in its Linux
        found.append(Hardware(vendor="NVIDIA", driver=_driver("NVIDIA", root)))
    return found


def _driver(vendor: str, root: Path) -> str:
    if vendor == "NVIDIA":
        tool = shutil.which("nvidia-smi")
        with suppress(OSError, subprocess.TimeoutExpired):
            if tool:
                said = subprocess.run([tool], capture_output=True, text=True, timeout=10, check=False).stdout
                match = re.search(r"CUDA Version:\s*([\d.]+)", said)
                return match[1] if match else ""
    if vendor == "AMD":
        with suppress(OSError):
            return (root / "opt/rocm/.info/version").read_text().strip()
    return ""


def advised(gpu: Hardware) -> str:
    """The build that suits a GPU: the end of its address; empty where the usual package has it."""
    version = tuple(int(part) for part in re.findall(r"\d+", gpu.driver)[:2])
    if gpu.vendor == "Apple":
        return ""
    if gpu.vendor == "NVIDIA" and version >= (13, 2):
        return "cu132"
    if gpu.vendor == "NVIDIA" and version >= (12, 8):
        return "cu128"
    if gpu.vendor == "AMD" and version >= (7,):
        return "rocm-7.2.4"
    if gpu.vendor == "AMD" and version >= (6, 4):
        return "rocm-6.4.1"
    return "vulkan"


def install_command(build: str, version: str) -> str:
    """The command that puts a build in the place of the one that is installed, of the same version."""
    wheel = f"xllamacpp=={version}" if version else "xllamacpp"
    index = f" --index-url {_BUILDS}/{build}" if build else ""
    if shutil.which("uv"):
        return f"uv pip install --python {sys.executable} --reinstall --no-deps {wheel}{index}"
    return f"{sys.executable} -m pip install --force-reinstall --no-deps {wheel}{index}"


def _tell() -> None:
    import xllamacpp  # noqa: PLC0415 - only in the process that is asked

    devices = [
        {
            "name": device["name"],
            "description": device["description"],
            "type": str(getattr(device["type"], "name", device["type"])).rpartition("_")[2],
            "memory_total": device["memory_total"],
            "memory_free": device["memory_free"],
        }
        for device in xllamacpp.get_device_info()
    ]
    print(json.dumps({"version": xllamacpp.__version__, "system": xllamacpp.get_system_info(), "devices": devices}))


if __name__ == "__main__":
    _tell()
