"""Add on/off data."""

from __future__ import annotations

from collections.abc import Iterable

import xarray as xr

from xgamma.onoff import conserve_background, expose_background, is_onoff
from xgamma.reduce.stack import stack_many

__all__ = ["stack_onoff"]


def stack_onoff(datasets: Iterable[xr.Dataset], name: str | None = None) -> xr.Dataset:
    r"""Add on/off datasets so that the background of the sum is the sum of the backgrounds.

    Counts, off counts and acceptances add up inside each one's ``mask_safe``. The acceptance of the off regions follows
    from the background, :math:`a_{off} = a_{on} \sum n_{off} / \sum \alpha n_{off}`; in bins without off counts the
    sums run over all bins. All else is as `xgamma.reduce.stack.stack_many` does it.

    Parameters
    ----------
    datasets : iterable of Dataset
        At least one, each with ``counts_off``, ``acceptance`` and ``acceptance_off``. They stay as they are.
    name : str, optional
        Name of the new dataset, by default that of the first one.

    Returns
    -------
    Dataset
        Lazy where one of them is.

    Raises
    ------
    ValueError
        As for `stack_many`, and if one of the datasets has no off regions.
    """
    chosen = list(datasets)
    plain = [str(ds.attrs.get("name", "")) for ds in chosen if not is_onoff(ds)]
    if plain:
        raise ValueError(
            f"the datasets {plain} have no variable 'counts_off', and cannot be added to on/off data: give them off "
            "regions with to_onoff, or turn the others into data with a background by to_cash"
        )
    return conserve_background(stack_many([expose_background(ds) for ds in chosen], name=name))
