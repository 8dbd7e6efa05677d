"""A server that takes connections and never says a word, for what must not wait for it."""

import socket
import threading
from contextlib import suppress
from typing import Self


class DeafServer:
    """Use as a context manager: `url` is its address; `asked` is set once it took a connection."""

    def __enter__(self) -> Self:
        self.asked = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()
        return self

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self._taken.append(self._listener.accept()[0])
                self.asked.set()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for taken in self._taken:
            taken.close()
