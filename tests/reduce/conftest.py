"""Settings of the tests of reductions."""

import dask
import pytest


@pytest.fixture(autouse=True)
def _in_one_thread():
    """Graphs of tiny chunks, of which threads would take most of the time."""
    with dask.config.set(scheduler="synchronous"):
        yield
