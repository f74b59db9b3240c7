"""Datasets: the collection of an analysis, and the one container here that changes in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from xgamma import predict, statistic
from xgamma.datasets import select, table, text
from xgamma.datasets.listing import DatasetList
from xgamma.datasets.member import Member
from xgamma.datasets.models import stored_models
from xgamma.datasets.stacking import stack_all
from xgamma.models import Models

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Datasets"]


class Datasets(DatasetList):
    """A list of datasets with unique names, and the models that hold for them.

    Members are what was put in: neither copied nor given the models. Those that `read` finds in files are opened when
    they are used first.

    Parameters
    ----------
    datasets : Dataset or iterable of Dataset, optional
        Of any kind, each with a name in its attrs.
    models : Models, list of models, or model, optional
        As for the property `models`.

    Raises
    ------
    ValueError
        If an item is no dataset, has no name, or two have the same name.

    Examples
    --------
    >>> parts = [ds.gp.slice_by_energy(low, 2 * low, name=f"from {low} TeV") for low in (1, 2, 4)]  # doctest: +SKIP
    >>> xg.Datasets(parts)["from 2 TeV"]  # doctest: +SKIP
    """

    def __init__(self, datasets: xr.Dataset | Iterable[xr.Dataset] | None = None, models: Any = None) -> None:
        super().__init__(datasets)
        if models is not None:
            self.models = models

    # Models

    @property
    def models(self) -> Models:
        """The models that hold for the datasets.

        Models that were set, which may be changed in place; ``None`` takes them away, and read-only models are copied.
        As long as none were set, it is a read-only list of those stored with the datasets, each once, and raises a
        ValueError where models of one name differ. ``datasets.models = datasets.models`` makes models that may be
        changed of those.
        """
        return stored_models(self._members) if self._models is None else self._models

    @models.setter
    def models(self, models: Any) -> None:
        if models is None:
            self._models = None
            return
        chosen = models if isinstance(models, Models) else Models(models)
        locked = chosen._locked or any(model._locked for model in chosen)
        self._models = chosen.copy() if locked else chosen

    def assign_models(self, models: Any = None) -> Datasets:
        """Return a collection of which each dataset stores the models, see `xgamma.predict.assign_models`.

        Parameters
        ----------
        models : Models, list of models, or model, optional
            By default those of the collection.

        Returns
        -------
        Datasets
            Without models of its own. Later changes of the models do not reach it.
        """
        chosen = self.models if models is None else Models(models)
        return Datasets(predict.assign_models(ds, chosen) for ds in self)

    def _chosen(self, models: Any) -> Models | None:
        """Return the models given, or those set; None leaves each dataset to those that it stores."""
        return self._models if models is None else Models(models)

    # Tables and numbers

    def info_table(self, models: Any = None, cumulative: bool = False) -> pd.DataFrame:
        """Return the key figures of each dataset; computes lazy data.

        Parameters
        ----------
        models : Models, list of models, or model, optional
            By default those set, or else those stored with each dataset.
        cumulative : bool
            Whether a row is of the sum of the datasets up to there. Models do not count then.

        Returns
        -------
        DataFrame
            A row for each dataset with the columns of `xgamma.summary.info`. Quantities are numbers in the unit of
            the first row, which stands in ``table.attrs["units"]`` by column.

        Raises
        ------
        ValueError
            If models do not fit a dataset, or datasets do not add up.
        """
        return table.figures_table(self, self._chosen(models), cumulative)

    @property
    def energy_ranges(self) -> pd.DataFrame:
        """Ends of the energy axes: ``name``, ``energy_min``, ``energy_max``, with the units in ``attrs["units"]``."""
        return table.energy_table(self)

    def stat_sum(self, models: Any = None, parameters: Mapping[str, Any] | None = None) -> xr.DataArray:
        """Return the sum of the fit statistics of all datasets, see `xgamma.statistic.stat_sum`, and of priors.

        Parameters
        ----------
        models : Models, list of models, or model, optional
            By default those set, or else those stored with each dataset.
        parameters : mapping, optional
            Values by name, ``model.parameter``, in place of those in the models: DataArrays, numbers or quantities, see
            `xgamma.likelihood.scan.stat_sum`.

        Returns
        -------
        DataArray, no dims, or those of the values
            ``float()`` of it is a number. Lazy where a dataset is; zero without datasets.

        Raises
        ------
        ValueError
            If a dataset has no counts, models do not fit it, or a parameter or its unit is unknown.
        """
        chosen = self._chosen(models)
        if parameters is not None:
            from xgamma.likelihood import scan

            return scan.stat_sum(self, chosen, parameters, priors=True)
        total, found = xr.DataArray(0.0), dict[str, Any]()
        for ds in self:
            models = predict.models_for(ds, chosen)
            found |= {model.name: model for model in models}
            total = total + statistic.stat_sum(ds, models)
        total = total + (Models(found.values()) if chosen is None else chosen).parameters.prior_stat_sum()
        return total.rename("stat_sum").assign_attrs(units="", long_name="sum of the fit statistic")

    def stack_reduce(self, name: str = "stacked") -> xr.Dataset:
        """Add all datasets, see `xgamma.reduce.stack.stack_many`.

        Parameters
        ----------
        name : str
            Name of the sum.

        Returns
        -------
        Dataset
            Lazy where one of them is. Models of the collection are not stored with it.

        Raises
        ------
        ValueError
            If there is no dataset, or they are of different types, bins or sky grids.
        """
        return stack_all(list(self), name)

    # Parts

    def select(
        self,
        name: str | Iterable[str] | None = None,
        dataset_type: str | Iterable[str] | None = None,
        where: Callable[[xr.Dataset], bool] | None = None,
        **meta: Any,
    ) -> Datasets:
        """Return the datasets that meet all conditions. No data are loaded.

        Parameters
        ----------
        name : str or sequence of str, optional
            Names, or patterns such as ``"obs-*"``.
        dataset_type : str or sequence of str, optional
            "MapDataset", "MapDatasetOnOff", "SpectrumDataset", "SpectrumDatasetOnOff", "FluxPointsDataset".
        where : callable, optional
            Tells of a dataset whether to take it.
        **meta
            Columns of the table of observations, ``attrs["meta"]``: a value, several values, or a function of a value.
            One row of the table has to meet all of these.

        Returns
        -------
        Datasets
            With the same models.

        Raises
        ------
        ValueError
            If no dataset has such a column.

        Examples
        --------
        >>> datasets.select("obs-*", TELESCOP="CTA", ZEN_PNT=lambda angle: angle < 40)  # doctest: +SKIP
        """
        return self._of(select.matching(self._members, name, dataset_type, where, meta), self._models)

    def select_time(self, time_min: Any, time_max: Any, atol: Any = "1e-6 s") -> Datasets:
        """Return the datasets whose good time intervals all lie in a range of time. No data are loaded.

        Parameters
        ----------
        time_min, time_max : Time or str
            The range; text is taken to be in UTC.
        atol : str or Quantity
            By how much an interval may reach beyond it.

        Returns
        -------
        Datasets
            With the same models. Datasets without intervals are not among them.

        Raises
        ------
        ValueError
            If a limit is no time, or they are swapped.
        """
        return self._of(select.in_time(self._members, time_min, time_max, atol), self._models)

    def slice_by_energy(self, energy_min: Any = None, energy_max: Any = None) -> Datasets:
        """Cut a range of energies out of all datasets, see `xgamma.reduce.select.slice_by_energy`.

        Parameters
        ----------
        energy_min, energy_max : str, Quantity or number, optional
            Limits, which snap to edges of bins; plain numbers are in the unit of each axis.

        Returns
        -------
        Datasets
            Under the same names and with the same models. Datasets without a bin in the range are not among them.

        Raises
        ------
        ValueError
            If a limit is no energy, they are swapped, or a dataset has no energy axis that can be cut.
        """
        return self._of(map(Member, select.sliced(self, energy_min, energy_max)), self._models)

    # Files

    @classmethod
    def read(
        cls, filename: str | os.PathLike[str], filename_models: str | os.PathLike[str] | None = None, **options: Any
    ) -> Datasets:
        """Read a collection, see `xgamma.datasets.files.read`."""
        from xgamma.datasets.files import read

        return cls._of(*read(filename, filename_models, **options))

    def write(
        self,
        filename: str | os.PathLike[str],
        filename_models: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the collection, see `xgamma.datasets.files.write`."""
        from xgamma.datasets.files import write

        write(self._members, self._models, filename, filename_models, overwrite)

    # Printouts

    def __repr__(self) -> str:
        return text.brief(self._members)

    def __str__(self) -> str:
        return text.summary(self._members, self._models)

    def _repr_html_(self) -> str:
        return text.html(self._members, self._models)
