"""The background of a field of view, scaled by a factor."""

from __future__ import annotations

from typing import Any

import numpy as np

from xgamma.models.base import ModelBase
from xgamma.models.component import Component, checked_name, checked_part
from xgamma.models.describe import describe, describe_html
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.spectral_norm import PowerLawNormSpectralModel
from xgamma.models.units import energies, unit_text

__all__ = ["FoVBackgroundModel"]


class FoVBackgroundModel(Component):
    """A factor on the background of a dataset.

    Parameters
    ----------
    dataset_name : str
        The dataset whose background it is.
    spectral_model : SpectralModel, optional
        A norm model, `PowerLawNormSpectralModel` if left out.
    name : str, optional
        Its name, that of the dataset with "-bkg" if left out.

    Raises
    ------
    ValueError
        If the dataset is not named or the spectral model is not a norm model.
    """

    tag = ("FoVBackgroundModel", "fov-bkg")

    def __init__(
        self,
        dataset_name: str | None = None,
        spectral_model: SpectralModel | None = None,
        name: str | None = None,
    ) -> None:
        if dataset_name is None:
            raise ValueError("FoVBackgroundModel needs dataset_name, the name of the dataset whose background it is")
        self._datasets_names = [checked_name(dataset_name)]
        self._name = checked_name(f"{dataset_name}-bkg" if name is None else name)
        self.spectral_model = PowerLawNormSpectralModel() if spectral_model is None else spectral_model

    @property
    def spectral_model(self) -> SpectralModel:
        """The factor."""
        return self._spectral_model

    @spectral_model.setter
    def spectral_model(self, model: SpectralModel) -> None:
        model = checked_part(model, SpectralModel, f"spectral_model of {self.name!r}")
        if not model.is_norm_spectral_model:
            raise ValueError(
                f"spectral_model of {self.name!r} must be a factor such as PowerLawNormSpectralModel; "
                f"{type(model).__name__} has the unit {unit_text(model.unit)!r}"
            )
        self._spectral_model = model

    @property
    def dataset_name(self) -> str:
        """The dataset whose background it is."""
        return self._datasets_names[0]

    @property
    def datasets_names(self) -> tuple[str, ...]:
        """The dataset whose background it is, in a tuple."""
        return tuple(self._datasets_names)

    def _parts(self) -> dict[str, ModelBase]:
        return {"spectral": self._spectral_model}

    def evaluate(self, energy: Any) -> np.ndarray:
        """Return the factor.

        Parameters
        ----------
        energy : Quantity or str
            Reconstructed energies.

        Raises
        ------
        ValueError
            If the energies are not energies.
        """
        return self.spectral_model.evaluate_array(energies(energy))

    def copy(self, name: str | None = None) -> FoVBackgroundModel:
        """Return an independent copy.

        Parameters
        ----------
        name : str, optional
            Its name, the same if left out.
        """
        new = self._copy()
        if name is not None:
            new._name = checked_name(name)
        return new

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        data: dict[str, Any] = {"type": self.tag[0], "datasets_names": list(self._datasets_names)}
        if self.name != f"{self.dataset_name}-bkg":
            data["name"] = self.name
        return data | {"spectral": self._spectral_model.to_dict(full_output)}

    def __str__(self) -> str:
        """Return names, types and parameters."""
        return "FoVBackgroundModel\n\n" + describe(self)

    def __repr__(self) -> str:
        """Return name and type."""
        return f"FoVBackgroundModel({self.name!r}: {type(self.spectral_model).__name__})"

    def _repr_html_(self) -> str:
        """Return names, types and parameters for notebooks."""
        return describe_html(self)
