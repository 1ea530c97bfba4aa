"""Weighted samples of the centred orthonormal Fourier transform of coil images.

A centred transform is a plain one between two modulations. The sensitivity maps carry the
first (`modulation`) and the sampling weights the second, so nothing is ever shifted.

Both samplings map coil images to *samples* that are isometric to the weighted k-space, by
`encode` and its adjoint `decode`; `place` and its adjoint `take` map samples to and from
k-space. Where whole lines are sampled, the samples stay images along the read-out: its
transform is unitary and cancels in the normal operator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


def modulation(shape: tuple[int, int]) -> Tensor:
    """Modulation of an image that centres its Fourier transform, (y, x), complex128."""
    y, x = (_phase(n, torch.arange(n)) for n in shape)
    return y[:, None] * x


@dataclass(frozen=True)
class PointSampling:
    """Any set of samples.

    Attributes
    ----------
    weights : Tensor
        Amplitude of each sample and its modulation, (y, x), complex128; 0 where not sampled.
    swapped : bool
        Whether images are kept as (x, y).
    """

    weights: Tensor
    swapped: bool = False

    @classmethod
    def of(cls, amplitudes: Tensor) -> "PointSampling":
        """Sampling with these amplitudes, (y, x)."""
        return cls(amplitudes * _k_space_modulation(amplitudes))

    def encode(self, coils: Tensor) -> Tensor:
        """Samples of coil images (batch, coils, y, x)."""
        return self.weights.to(coils.dtype) * torch.fft.fft2(coils, norm="ortho")

    def decode(self, samples: Tensor) -> Tensor:
        """Adjoint of `encode`."""
        return torch.fft.ifft2(self.weights.conj().to(samples.dtype) * samples, norm="ortho")

    def place(self, samples: Tensor) -> Tensor:
        """Samples as k-space (batch, coils, y, x), 0 where not sampled."""
        return samples

    def take(self, kspace: Tensor) -> Tensor:
        """Samples in k-space; whatever it holds elsewhere is not looked at."""
        return torch.where(self.weights != 0, kspace, 0)


@dataclass(frozen=True)
class LineSampling:
    """Whole lines along the read-out; images are kept as (read-out, phase-encode).

    Attributes
    ----------
    lines : Tensor
        Indices of the sampled lines, (lines,).
    weights : Tensor
        Amplitude of each sampled line and its modulation, (lines,), complex128.
    readout : Tensor
        Modulation along the read-out, (read-out, 1), complex128.
    num_lines : int
        Of the full k-space.
    swapped : bool
        Whether the phase is encoded along y, so that images are kept as (x, y).
    """

    lines: Tensor
    weights: Tensor
    readout: Tensor
    num_lines: int
    swapped: bool

    @classmethod
    def of(cls, amplitudes: Tensor, swapped: bool) -> "LineSampling":
        """Sampling with amplitudes (y, x) that are constant along y, or x if `swapped`."""
        if swapped:
            amplitudes = amplitudes.mT
        phases = _k_space_modulation(amplitudes)
        lines = amplitudes[0].nonzero()[:, 0]
        # The modulation is a product of one along each axis; the centre's is 1.
        centre = len(amplitudes) // 2
        weights = (amplitudes[0] * phases[centre])[lines]
        readout = phases[:, [amplitudes.shape[1] // 2]]
        return cls(lines, weights, readout, amplitudes.shape[1], swapped)

    def encode(self, coils: Tensor) -> Tensor:
        """Samples (batch, coils, read-out, lines) of coil images."""
        transformed = torch.fft.fft(coils, norm="ortho").index_select(-1, self.lines)
        return transformed.mul_(self.weights.to(coils.dtype))

    def decode(self, samples: Tensor) -> Tensor:
        """Adjoint of `encode`."""
        full = samples.new_zeros(*samples.shape[:-1], self.num_lines)
        full.index_copy_(-1, self.lines, samples * self.weights.conj().to(samples.dtype))
        return torch.fft.ifft(full, norm="ortho")

    def place(self, samples: Tensor) -> Tensor:
        """Samples as k-space (batch, coils, y, x), 0 where not sampled."""
        measured = torch.fft.fft(samples, dim=-2, norm="ortho") * self.readout.to(samples.dtype)
        kspace = samples.new_zeros(*samples.shape[:-1], self.num_lines)
        kspace.index_copy_(-1, self.lines, measured)
        return kspace.mT if self.swapped else kspace

    def take(self, kspace: Tensor) -> Tensor:
        """Samples in k-space; whatever it holds elsewhere is not looked at."""
        # Along the axes as they lie in memory: transforms across it are several times slower.
        lines, readout = (-2, -1) if self.swapped else (-1, -2)
        phases = (self.readout.mT if self.swapped else self.readout).conj().to(kspace.dtype)
        measured = kspace.index_select(lines, self.lines) * phases
        samples = torch.fft.ifft(measured, dim=readout, norm="ortho")
        return samples.mT if self.swapped else samples


Sampling = PointSampling | LineSampling


def sampling_of(amplitudes: Tensor) -> Sampling:
    """The sampling of k-space with amplitudes (y, x): of lines, where that is what it is."""
    if (amplitudes == amplitudes[:1]).all():
        return LineSampling.of(amplitudes, swapped=False)
    if (amplitudes == amplitudes[:, :1]).all():
        return LineSampling.of(amplitudes, swapped=True)
    return PointSampling.of(amplitudes)


def _k_space_modulation(like: Tensor) -> Tensor:
    y, x = (_phase(n, torch.arange(n) - n // 2).to(like.device) for n in like.shape)
    return y[:, None] * x


def _phase(n: int, index: Tensor) -> Tensor:
    """exp(2 pi i (n // 2) index / n), with the turns taken out exactly."""
    turns = (n // 2 * index) % n
    return torch.exp(2j * torch.pi * turns.double() / n)
