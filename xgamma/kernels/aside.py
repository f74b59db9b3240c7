"""Work that another thread does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Aside"]

Task = Callable[[], Any]


class Aside:
    """Tasks that another thread works through while this one does something else.

    As a context it does not end before they are done, and leaves out those not begun where an error ends it. Tasks that
    spend their time in numpy, or waiting for memory, run beside Python code.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Task, Future[Any]]] = []

    def begin(self, tasks: Sequence[Task]) -> None:
        """Hand tasks, which do not depend on each other, to a thread made for them."""
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(1)
        self._pairs += [(task, pool.submit(task)) for task in tasks]
        pool.shutdown(wait=False)

    def finish(self) -> None:
        """Take part in what is left to do, and return when it is done; errors of tasks are raised here."""
        pairs, self._pairs = self._pairs, []
        for task, future in reversed(pairs):
            if future.cancel():
                task()
        for _, future in pairs:
            if not future.cancelled():
                future.result()

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
            return
        for _, future in self._pairs:
            future.cancel()
