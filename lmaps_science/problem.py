"""What reconstruction needs to know of a kind of measurement, beside its operator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.plugins import GROUP, installed_problems
from lmaps_science.solver import Level

if TYPE_CHECKING:
    from lmaps_science.result import Result
    from lmaps_science.training import TrainingSet


class Measurement(Protocol):
    """What a problem reads from files: an operator, its data (1, ...) and perhaps the truth."""

    @property
    def operator(self) -> Any:  # noqa: ANN401
        """An `Operator`, of the problem's own class."""

    @property
    def y(self) -> Tensor:
        """Its data, (1, ...)."""

    @property
    def truth(self) -> Tensor | None:
        """In physical units, (1, 1, y, x)."""


class Problem(ABC):
    """One kind of measurement: how it is read, judged, told and drawn.

    A subclass has a name and reads a file; all else has a default.

    Attributes
    ----------
    name, title : str
        As the command line calls it, and as the report does.
    quantity : str
        What its images show, with the unit.
    default_prior : str
        Name of the installed prior that suits it, in general.
    default_samples : int
        Seeds.
    color_map, origin : str
        In which images are drawn, and where their first row is, as matplotlib calls them.
    """

    name: str
    title: str
    quantity: str
    default_prior: str
    default_samples = 8
    color_map, origin = "gray", "upper"

    @abstractmethod
    def read(self, paths: Sequence[Path], device: str) -> Measurement:
        """Read a measurement; subclasses take options of their own as keywords."""

    def prior_for(self, measurement: Measurement) -> str:
        """Name of the installed prior that suits a measurement."""
        return self.default_prior

    def misfit_scale(self, operator: Any) -> float:  # noqa: ANN401
        """Factor that turns the operator's loss into chi squared per datum."""
        return (1 if operator.complex_data else 2) * operator.loss_weight / operator.num_data

    def residuals(self, operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
        """Residuals of one image in units of their noise, (data,)."""
        residual = (operator.predict(x, y) - y) / operator.sigma_noise
        if residual.is_complex():
            # Half of the noise's variance is in each of the real and imaginary parts.
            residual = torch.view_as_real(residual) * 2**0.5
        return residual.double().flatten().cpu().numpy()

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401
        """Figures of merit by name of an image (y, x) in physical units.

        Here PSNR and SSIM of the range that the prior sees as [-1, 1].
        """
        from lmaps_science.problems.metrics import psnr, windowed_ssim

        a, b = (((self.normalized(operator, v) + 1) / 2).clamp(0, 1) for v in (image, truth))
        similarity = windowed_ssim(a[0], b[0], torch.ones(len(a[0])))
        return {"psnr": float(psnr(a, b)), "ssim": float(similarity.mean())}

    def save_figure(self, result: "Result", path: Path) -> None:
        """Draw the result as PNG: truth, image, error and spread above the fit to the data."""
        from lmaps_science.plot import save_figure

        save_figure(result, None, path)

    def write(self, path: Path, measurement: Measurement) -> None:
        """Begin ``reconstruction.h5`` with the measurement."""
        import h5py

        with h5py.File(path, "w") as file:
            file["data"] = measurement.y[0].cpu().numpy()
            if measurement.truth is not None:
                file["truth"] = measurement.truth[0, 0].cpu().numpy()

    def files(self, path: Path) -> list[Path]:
        """The files behind what the user calls `path`."""
        return [path]

    def refine(
        self, measurement: Measurement, draft: Callable[[Measurement, int], Tensor]
    ) -> Measurement:
        """Improve what is known of the instrument with drafts of the image.

        `draft` gives one, (1, channels, y, x), of a measurement; the number tells drafts apart.
        """
        return measurement

    def export(self, result: "Result", folder: Path) -> None:
        """Write the field's own format into `folder`."""

    def physical(self, operator: Operator, x: Tensor) -> NDArray:
        """Normalised images (count, channels, y, x) in physical units, (count, y, x)."""
        return operator.unnormalize(x)[:, 0].cpu().numpy().astype(np.float32)

    def displayed(self, images: NDArray) -> NDArray:
        """What people look at of physical images."""
        return images

    def registered(self, images: NDArray, image: NDArray) -> NDArray:
        """Images (count, y, x) moved to where `image` (y, x) is, if the data leave that open."""
        return images

    def normalized(self, operator: Operator, image: NDArray) -> Tensor:
        """A physical image (y, x) as the operator takes it, (1, 1, y, x)."""
        return operator.normalize(torch.from_numpy(image).to(operator.device)[None, None].double())

    def judge(self, measurement: Measurement, x: Tensor, last: Level | None) -> list[str]:
        """Why each of the samples (count, 1, y, x) is not to be used; empty where it is.

        `last` is the last noise level of a sampler that has any.
        """
        return [""] * len(x)

    def describe(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """What ``summary.json`` tells of the kept samples (count, 1, y, x) in addition."""
        return {}

    def describe_spread(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """The same of the posterior samples."""
        return {}

    def caveats(self, result: "Result", prior: str | None) -> list[str]:
        """What a reader of a result with the prior of this name, or none, must know."""
        return []

    def describe_image(self, result: "Result") -> Mapping[str, str]:
        """Rows of the report on the image, by name."""
        return {}

    def training_set(self, data: str | Path, image_size: int | None) -> "TrainingSet":
        """Images to train a prior on; `image_size` scales them."""
        from lmaps_science.training import stored_images

        return stored_images(data, image_size)

    def baselines(self, measurement: Measurement) -> Mapping[str, Callable[[], Tensor]]:
        """The field's usual methods by name; each gives a normalised image (1, channels, y, x)."""
        raise ValueError(
            f"compare: problem {self.name!r} has no methods to set beside; leave it out"
        )

    def controls(self, measurement: Measurement) -> dict[str, Measurement]:
        """Known objects by name, measured as the file's was."""
        raise ValueError(f"controls: problem {self.name!r} has none; leave the option out")

    def describe_control(self, result: "Result") -> Mapping[str, str]:
        """One row of the report's table of controls."""
        return {}

    def save_controls(self, result: "Result", path: Path) -> None:
        """Draw the result's controls as PNG."""


def find_problem(name: str) -> Problem:
    """The problem called `name`, of this package or of another.

    Raises
    ------
    TypeError
        If another package's entry point is no such problem.
    ValueError
        If there is none; the message names those that there are.
    """
    from lmaps_science.imaging import PROBLEMS

    others = installed_problems()
    if name in PROBLEMS:
        return PROBLEMS[name]
    if name not in others:
        raise ValueError(f"problem {name!r}: expected one of {', '.join([*PROBLEMS, *others])}")
    kind = others[name].load()()
    if not isinstance(kind, Problem) or kind.name != name:
        raise TypeError(
            f"entry point {name!r} of {GROUP}: expected a Problem of that name, got "
            f"{others[name].value}"
        )
    return kind
