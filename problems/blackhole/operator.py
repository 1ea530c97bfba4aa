"""Black-hole imaging: from images to closure quantities."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lmaps_science.operator import Operator, per_item
from lmaps_science.problems.blackhole.closures import Closures
from lmaps_science.problems.blackhole.fourier import (
    RADIANS_PER_UAS,
    FourierSampling,
    join_complex,
    split_complex,
)
from lmaps_science.problems.blackhole.gauge import centred, towards_peak
from lmaps_science.problems.blackhole.likelihood import Likelihood, WhitenedClosures
from lmaps_science.problems.blackhole.observation import Observation, average_scans

Noise = Callable[[Tensor, torch.Generator | None], Tensor]


class BlackHoleImaging(Operator):
    """Closure quantities of a source's brightness: h(A x).

    A maps images to visibilities; a `Likelihood` compares functions of these with data.
    Images run from -1 (dark) to 1, the brightest pixel.

    Parameters
    ----------
    sampling : FourierSampling
        Visibilities of images in [0, 1].
    likelihood : Likelihood
        Of the data given the visibilities.
    image_size : int
        Pixels along each side.
    noise : callable, optional
        ``(image in [0, 1], generator) -> y``, what a measurement draws; by default noise of
        the likelihood.
    observation, closures : Observation and Closures, optional
        The visibilities behind `y`, and the closure quantities formed of them.
    y : Tensor, optional
        Measured data, (1, ...), of an operator made from a file.
    field_of_view_uas : float
        Width of the images, microarcsecond.
    compact_flux : float, optional
        Flux within the image, Jansky, where it is known.
    device : str or torch.device
        Where the operator computes.

    References
    ----------
    Chael et al., ApJ 857, 23 (2018); EHT Collaboration, ApJL 875, L4 (2019).
    """

    problem = "blackhole"

    def __init__(
        self,
        sampling: FourierSampling,
        likelihood: Likelihood,
        image_size: int,
        noise: Noise | None = None,
        observation: Observation | None = None,
        closures: Closures | None = None,
        y: Tensor | None = None,
        field_of_view_uas: float = 160.0,
        compact_flux: float | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(
            (1, image_size, image_size), unnorm_shift=1.0, unnorm_scale=0.5, device=device
        )
        self.sampling, self.likelihood = sampling, likelihood
        self.noise, self.y = noise, y
        self.observation, self.closures = observation, closures
        self.field_of_view_uas, self.compact_flux = field_of_view_uas, compact_flux
        self._linear_part: Tensor | None = None

    @classmethod
    def from_uvfits(
        cls,
        path: str | Path | Sequence[str | Path],
        image_size: int = 64,
        field_of_view_uas: float = 160.0,
        compact_flux: float | None = 0.6,
        fractional_error: float = 0.01,
        min_signal_to_noise: float = 3.0,
        flux_error: float = 0.15,
        device: str | torch.device = "cpu",
    ) -> "BlackHoleImaging":
        """Operator and data `y` of measured visibilities, averaged over scans.

        Parameters
        ----------
        path : str, Path or a sequence of them
            UVFITS; several files of one source (bands, days) share one image.
        image_size : int
            Pixels along each side.
        field_of_view_uas : float
            Width of the image, microarcsecond.
        compact_flux : float or None
            Flux within the image, Jansky, to which baselines within a site are scaled. The
            default is M87*'s at 1.3 mm in April 2017 in the EHT's eht-imaging script, chosen
            by its survey of parameters (ApJL 875, L4; data product 2019-D01-02); its DIFMAP
            and SMILI scripts take 0.5. The rest of the 1.1 to 1.2 Jy that those baselines
            measure lies outside. Give the flux of any other source. None leaves those
            baselines out, and filled discs then fit as well as rings.
        fractional_error : float
            Error that does not close, relative to each visibility.
        min_signal_to_noise : float
            Averaged visibilities below it are dropped.
        flux_error : float
            Relative error of the compact flux.
        device : str or torch.device
            Where the operator computes.

        Returns
        -------
        BlackHoleImaging

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If a file is not UVFITS of one source, if files do not belong together, if the
            data contradict the compact flux or the field of view, or if no closure quantity
            is left.
        """
        from lmaps_science.problems.blackhole.preparation import naming
        from lmaps_science.problems.blackhole.uvfits import read_uvfits

        paths = [path] if isinstance(path, (str, Path)) else list(path)
        observations = [average_scans(read_uvfits(path)) for path in paths]
        with naming(paths):
            return cls.from_observations(
                observations,
                image_size,
                field_of_view_uas,
                compact_flux,
                fractional_error,
                min_signal_to_noise,
                flux_error,
                device,
            )

    @classmethod
    def from_observations(
        cls,
        observations: Sequence[Observation],
        image_size: int = 64,
        field_of_view_uas: float = 160.0,
        compact_flux: float | None = 0.6,
        fractional_error: float = 0.01,
        min_signal_to_noise: float = 3.0,
        flux_error: float = 0.15,
        device: str | torch.device = "cpu",
    ) -> "BlackHoleImaging":
        """Operator and data `y` of observations of one source, each averaged over scans.

        All else is as for `from_uvfits`.
        """
        from lmaps_science.problems.blackhole.preparation import prepare

        if not (image_size >= 2 and 0 < field_of_view_uas < float("inf")):
            raise ValueError(
                "expected image_size >= 2 pixels and field_of_view_uas > 0, got "
                f"{image_size} and {field_of_view_uas}"
            )
        field_of_view = field_of_view_uas * RADIANS_PER_UAS
        observation, closures = prepare(
            observations,
            field_of_view,
            image_size,
            compact_flux,
            fractional_error,
            min_signal_to_noise,
            flux_error,
        )
        sampling = FourierSampling(observation.uv, image_size, field_of_view / image_size, device)
        likelihood = WhitenedClosures(closures, device)
        measured = torch.from_numpy(observation.visibility)[None].to(device)
        return cls(
            sampling,
            likelihood,
            image_size,
            observation=observation,
            closures=closures,
            y=likelihood.predict(measured),
            field_of_view_uas=field_of_view_uas,
            compact_flux=compact_flux,
            device=device,
        )

    @classmethod
    def from_inversebench(
        cls,
        root: str | Path,
        image_size: int = 64,
        noise_type: str = "vis_thermal",
        w1: float = 0.0,
        w2: float = 1.0,
        w3: float = 1.0,
        w4: float = 0.5,
        device: str | torch.device = "cpu",
    ) -> "BlackHoleImaging":
        """InverseBench's operator, its data in ehtim's order.

        Parameters
        ----------
        root : str or Path
            Folder with the reference observation ``obs.uvfits`` and image ``gt.fits``.
        image_size : int
            Pixels along each side.
        noise_type : str
            'vis_thermal' (thermal noise of visibilities) or 'eht' (ehtim's, with station gains
            and phases). Results with different noise types are not comparable.
        w1, w2, w3, w4 : float
            Weights of amplitudes, closure phases, log closure amplitudes and flux.
        device : str or torch.device
            Where the operator computes.

        Returns
        -------
        BlackHoleImaging

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ImportError
            If ehtim is not installed.
        """
        from lmaps_science.problems.blackhole.reference import Reference

        reference = Reference.read(root, image_size)
        likelihood = reference.likelihood((w1, w2, w3, w4), device)
        sampling = reference.sampling(device)
        noise = reference.noise(noise_type, sampling, likelihood)
        return cls(sampling, likelihood, image_size, noise, device=device)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data of one image."""
        return self.likelihood.data_shape

    @property
    def loss_weight(self) -> float:
        """The w of -log p(y | x) = w loss(x, y) + const."""
        return self.likelihood.loss_weight

    def fix_gauge(self, x: Tensor, peak: float | None) -> Tensor:
        """Images with their flux's centroid on the middle pixel and their peak at `peak`.

        Closure quantities fix neither the position nor the scale of a source.

        Raises
        ------
        ValueError
            If the scale is free and the prior does not say what its images' peak is: they
            would fade away.
        """
        brightness = centred(self.unnormalize(x).clamp(min=0))
        if self.likelihood.scale_free:
            if peak is None:
                raise ValueError(
                    "closure quantities leave the scale of an image free, and this prior carries "
                    "no peak curve to fix it: use one that does (blackhole-64), or set "
                    "prior.peak_curve = measure_peak_curve(prior, images)"
                )
            brightness = towards_peak(brightness, (peak + 1) / 2)
        return self.normalize(brightness)

    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data of normalised images (batch, 1, y, x)."""
        return self.likelihood.predict(self.visibilities(x))

    @property
    def flux(self) -> float:
        """Total of an image in physical units: the compact flux, Jansky, or 1 if not known."""
        return self.compact_flux or 1.0

    def visibilities(self, x: Tensor) -> Tensor:
        """Complex visibilities, (batch, visibilities), in units of the brightest pixel."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"BlackHoleImaging: expected images (batch, {expected}), got {tuple(x.shape)}"
            )
        return self.sampling.forward(self.unnormalize(x))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of squared residuals, (batch,)."""
        return per_item(self.likelihood.residual(self.visibilities(x), y).square())

    @torch.no_grad()
    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient 2 A^T G^T r."""
        r, gradient = self.likelihood.pull_back(self.visibilities(x), y)
        return per_item(r.square()), 2 * self.unnorm_scale * self.sampling.adjoint(gradient)

    def chi_squared(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Reduced χ² of closure phases and of log closure amplitudes, each (batch,)."""
        return self.likelihood.chi_squared(self.visibilities(x), y)

    @property
    def linear_part(self) -> Tensor:
        """A: normalised images to real over imaginary parts, (2 visibilities, pixels), float64."""
        if self._linear_part is None:
            self._linear_part = self.unnorm_scale * self.sampling.matrix()
        return self._linear_part

    def linear_data(self, x: Tensor) -> Tensor:
        """A x + A 1: real, then imaginary parts of the visibilities, float64."""
        return split_complex(self.visibilities(x.double()))

    def residual_of(self, v: Tensor, y: Tensor) -> Tensor:
        """r of linear data (batch, 2 visibilities), with loss = Σ r²."""
        return self.likelihood.residual(join_complex(v), y)

    def residual_change(self, v: Tensor, y: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """r, and its change along directions (2 visibilities, n): (batch, residuals, n)."""
        return self.likelihood.push_forward(join_complex(v), y, join_complex(directions.T).T)

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus noise of the likelihood."""
        return self.likelihood.perturb(y, generator)

    def __call__(
        self, data: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Measure ``data["target"]`` with this problem's noise."""
        x = data["target"].to(self.device)
        if self.noise is None:
            return self.perturb(self.forward(x), generator)
        return self.noise(self.unnormalize(x), generator)
