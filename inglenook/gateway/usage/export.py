"""The ledger's entries as files: CSV, or Parquet where pyarrow is installed. Written in pieces, never held whole."""

import csv
import importlib
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

from inglenook.gateway.ledger import Ledger
from inglenook.gateway.tables import LedgerEntry
from inglenook.gateway.usage.service import Filter, select_entries
from inglenook.kit.errors import Unavailable

#: Columns of an exported table, in their order.
COLUMNS = tuple(column.name for column in LedgerEntry.__table__.columns)
#: Entries that are read at once.
_PAGE = 5000


async def csv_lines(ledger: Ledger, where: Filter) -> AsyncIterator[bytes]:
    """Pieces of a CSV file (RFC 4180, UTF-8): a line of column names, then a line for each call, oldest first."""
    yield _csv([COLUMNS])
    async for page in _pages(ledger, where):
        yield _csv(page)


async def parquet(ledger: Ledger, where: Filter) -> AsyncIterator[bytes]:
    """Pieces of a Parquet file of the same table.

    Raises:
        Unavailable: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        files = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise Unavailable("Parquet needs pyarrow on the server: pip install 'inglenook[parquet]'; CSV works") from None
    sink = _Pieces()
    schema = arrow.schema([(name, _arrow_type(arrow, name)) for name in COLUMNS])
    writer = files.ParquetWriter(sink, schema, compression="zstd")
    async for page in _pages(ledger, where):
        columns = [list(column) for column in zip(*page, strict=True)]
        writer.write_table(arrow.table(dict(zip(COLUMNS, columns, strict=True)), schema=schema))
        yield sink.taken()
    writer.close()
    yield sink.taken()


async def _pages(ledger: Ledger, where: Filter) -> AsyncIterator[list[tuple[Any, ...]]]:
    last = 0
    while True:
        query = select_entries(where).where(LedgerEntry.id > last).order_by(LedgerEntry.id).limit(_PAGE)
        rows = await ledger.read(lambda session, query=query: [_row(entry) for entry in session.scalars(query)])  # type: ignore[misc]
        if not rows:
            return
        last = rows[-1][0]
        yield rows


def _row(entry: LedgerEntry) -> tuple[Any, ...]:
    return tuple(getattr(entry, name) for name in COLUMNS)


#: What a spreadsheet would take for a formula when it opens the file.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _csv(rows: Iterator[Any] | list[Any]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row])
    return text.getvalue().encode()


def _arrow_type(arrow: Any, name: str) -> Any:
    kind = LedgerEntry.__table__.columns[name].type.python_type
    return {int: arrow.int64(), bool: arrow.bool_()}.get(kind, arrow.string())


class _Pieces(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data
