"""Objects that can be made read-only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Lockable", "set_locked"]

MESSAGE = (
    "these models belong to a dataset or a result and are read-only; change a copy and store that: "
    "models = ds.gp.models.copy(); ...; ds = ds.gp.assign_models(models)"
)


class Lockable:
    """An object whose attributes cannot be assigned while it is locked."""

    _locked = False

    def __setattr__(self, name: str, value: Any) -> None:
        self._check_unlocked()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._check_unlocked()
        object.__delattr__(self, name)

    def _check_unlocked(self) -> None:
        if self._locked:
            raise AttributeError(MESSAGE)

    def _children(self) -> Iterator[Lockable]:
        """Yield the objects that are locked together with this one."""
        return iter(())


def set_locked(item: Lockable, locked: bool) -> None:
    """Lock or unlock an object with all that it holds."""
    object.__setattr__(item, "_locked", locked)
    for child in item._children():
        set_locked(child, locked)
