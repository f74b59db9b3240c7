"""The part of `Models` that chooses among models and treats all of them alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xgamma.models.background import FoVBackgroundModel
from xgamma.models.component import checked_names

if TYPE_CHECKING:
    from astropy.table import Table

    from xgamma.models.collection import Models
    from xgamma.models.parameter import Parameters

__all__ = ["Choice"]


class Choice:
    """Selections and changes of all models of a list."""

    _models: list[Any]

    if TYPE_CHECKING:

        def _subset(self, models: list[Any]) -> Models: ...

        def copy(self) -> Models:
            """Return an independent copy."""

        @property
        def parameters(self) -> Parameters:
            """The parameters of all models."""

    @property
    def background_models(self) -> Models:
        """The backgrounds among the models."""
        return self._subset([model for model in self._models if isinstance(model, FoVBackgroundModel)])

    @property
    def frozen(self) -> bool:
        """Whether all parameters are frozen."""
        return all(model.frozen for model in self._models)

    @property
    def parameters_unique_names(self) -> list[str]:
        """The names of `parameters`, such as "gc.index"."""
        return self.parameters.names

    def to_parameters_table(self) -> Table:
        """Return the parameters as an astropy Table with the names of their models."""
        table = self.parameters.to_table()
        table.rename_column("name", "parameter")
        # A name of a model may have dots, that of a parameter has none.
        pairs = [str(name).rpartition(".") for name in table["parameter"]]
        table["parameter"] = [pair[2] for pair in pairs]
        table.add_column([pair[0] for pair in pairs], index=0, name="model")
        return table

    def select(
        self,
        name_substring: str | None = None,
        datasets_names: str | Iterable[str] | None = None,
        tag: str | Iterable[str] | None = None,
        model_type: str | None = None,
        frozen: bool | None = None,
    ) -> Models:
        """Return the models that meet all conditions.

        Parameters
        ----------
        name_substring : str, optional
            Part of the name.
        datasets_names : str or sequence of str, optional
            Datasets, of which a model must apply to one.
        tag : str or sequence of str, optional
            Names or tags of spectral, spatial or sky models, of which a model must have one.
        model_type : {"spectral", "spatial"}, optional
            Where to look for the tag.
        frozen : bool, optional
            Whether all parameters are frozen.

        Returns
        -------
        Models
        """
        datasets = {datasets_names} if isinstance(datasets_names, str) else set(datasets_names or ())
        tags = {tag} if isinstance(tag, str) else set(tag or ())

        def fits(model: Any) -> bool:
            own = set() if model_type else set(model.tag)
            for part in model._select(model_type):
                own |= set(part.tag)
            return (
                (name_substring is None or name_substring in model.name)
                and (not datasets or model.datasets_names is None or bool(datasets & set(model.datasets_names)))
                and (not tags or bool(tags & own))
                and (frozen is None or model.frozen == frozen)
            )

        return self._subset([model for model in self._models if fits(model)])

    def select_region(self, region: Any, wcs: Any = None) -> Models:
        """Return the sky models whose centre lies in a region.

        Parameters
        ----------
        region : SkyRegion or str
            A region of `regions`, or its text in the DS9 format.
        wcs : WCS, optional
            The projection in which shapes other than circles and annuli are drawn; by default a tangential one about
            the middle of the region.

        Returns
        -------
        Models
            Without backgrounds and models that have no centre.

        Raises
        ------
        ValueError
            If it is no region on the sky.
        """
        from xgamma.models.inside import inside

        centered = [model for model in self._models if getattr(model, "position", None) is not None]
        return self._subset([model for model in centered if inside(model.position, region, wcs)])

    def reassign(self, dataset_name: str | Iterable[str], new_dataset_name: str | Iterable[str]) -> Models:
        """Return a copy in which models of a dataset are those of another.

        Parameters
        ----------
        dataset_name, new_dataset_name : str or sequence of str
            Names of datasets, and for each the new one.

        Returns
        -------
        Models
            With the same names, links and covariance. Models of all datasets stay models of all.

        Raises
        ------
        ValueError
            If there are not as many new names, or no model is of such a dataset.
        """
        old, new = ([names] if isinstance(names, str) else list(names) for names in (dataset_name, new_dataset_name))
        if len(old) != len(new):
            raise ValueError(f"{len(old)} names of datasets cannot become {len(new)}")
        renamed = dict(zip(old, new, strict=True))
        known = {name for model in self._models for name in model.datasets_names or ()}
        if unknown := [name for name in old if name not in known]:
            raise ValueError(f"no model is of dataset {unknown[0]!r}; they name: {', '.join(sorted(known)) or 'none'}")
        out = self.copy()
        for model in out:
            if model.datasets_names is not None:
                names = dict.fromkeys(renamed.get(name, name) for name in model.datasets_names)
                model._datasets_names = checked_names(names, model.name)
        return out

    def freeze(self, model_type: str | None = None) -> None:
        """Freeze all parameters.

        Parameters
        ----------
        model_type : {"spectral", "spatial"}, optional
            Only those of these parts.
        """
        for model in self._models:
            model.freeze(model_type)

    def unfreeze(self, model_type: str | None = None) -> None:
        """Free the parameters that are free by default.

        Parameters
        ----------
        model_type : {"spectral", "spatial"}, optional
            Only those of these parts.
        """
        for model in self._models:
            model.unfreeze(model_type)
