"""Quick imports: most of a start is importing, so what slows imports down waits.

Measured on two cores, CPU time of importing the server: 1.25 s plain, 1.05 s without the garbage collector (imports
make many objects and no garbage), 0.95 s when pydantic also leaves alone the classes that FastAPI defines for OpenAPI
documents, which a running server never makes.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import inside this. Afterwards the collector runs again, and leaves alone what was imported."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def import_fastapi() -> None:
    """Import FastAPI; pydantic builds the validators of its classes at their first use, not at their definition."""
    import pydantic  # noqa: PLC0415 - commands that import no schemas should not pay for it

    pydantic.BaseModel.model_config["defer_build"] = True
    try:
        import fastapi  # noqa: F401, PLC0415
    finally:
        del pydantic.BaseModel.model_config["defer_build"]
