"""Where the sensors and the pixels are, and the fields between them."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0, y0


def hankel(distance: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Free-space Green's function (i/4) H0⁽¹⁾(kr) of the two-dimensional Helmholtz equation."""
    field = np.empty(distance.shape, np.complex128)
    field.real = -0.25 * y0(distance)
    field.imag = 0.25 * j0(distance)
    return field


def circle(count: int, radius: float) -> NDArray[np.float64]:
    """Positions (count, 2), metre, at angles from 0 to 359 degrees, both included."""
    angles = np.radians(np.linspace(0, 359, count))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@dataclass(frozen=True, eq=False)
class Geometry:
    """A scattering experiment's geometry.

    Pixel (i, j) of the grid (y, x) lies at x = (j - Nx/2) dx, y = (i - Ny/2) dx, metre.

    Parameters
    ----------
    transmitter_positions : array
        (transmitters, 2), x and y in metre.
    receiver_positions : array
        (receivers, 2), or (transmitters, receivers, 2) where each transmitter has its own.
    wavenumber : float
        In the background medium, rad/m.
    pixel_size : float
        Metre.
    grid_shape : tuple of int
        (Ny, Nx).
    receiver_mask : array or None
        (transmitters, receivers), True where a datum was measured; None means everywhere.

    Raises
    ------
    ValueError
        If an array has the wrong shape or values, or a sensor lies inside the object's grid.
    """

    transmitter_positions: NDArray[np.float64]
    receiver_positions: NDArray[np.float64]
    wavenumber: float
    pixel_size: float
    grid_shape: tuple[int, int]
    receiver_mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in ("wavenumber", "pixel_size"):
            self._set(name, _positive(name, getattr(self, name)))
        shape = tuple(int(n) for n in np.ravel(self.grid_shape))
        if len(shape) != 2 or min(shape) < 2:
            raise ValueError(f"grid_shape: expected (Ny, Nx), both at least 2, got {shape}")
        self._set("grid_shape", shape)
        self._set("transmitter_positions", self._positions("transmitter_positions", "(T, 2)"))
        count = len(self.transmitter_positions)
        self._set("receiver_positions", self._positions("receiver_positions", "(R, 2)", count))
        self._set("receiver_mask", self._checked_mask())

    @classmethod
    def on_circle(
        cls,
        num_pixels: int = 128,
        side_length: float = 0.18,
        wavelength_in_pixels: float = 6,
        num_transmitters: int = 20,
        num_receivers: int = 360,
        sensor_radius: float = 1.6,
    ) -> "Geometry":
        """InverseBench's geometry: all sensors on one circle around a square object.

        Parameters
        ----------
        num_pixels : int
            Along each side of the object.
        side_length : float
            Of the object, metre.
        wavelength_in_pixels : float
            Wavelength over pixel size.
        num_transmitters, num_receivers : int
            Spread over the angles from 0 to 359 degrees, both included.
        sensor_radius : float
            Of the circle, metre.

        Returns
        -------
        Geometry
        """
        pixel_size = side_length / num_pixels
        return cls(
            circle(num_transmitters, sensor_radius),
            circle(num_receivers, sensor_radius),
            2 * np.pi / (wavelength_in_pixels * pixel_size),
            pixel_size,
            (num_pixels, num_pixels),
        )

    @property
    def num_transmitters(self) -> int:
        """Number of transmitters T."""
        return len(self.transmitter_positions)

    @property
    def num_receivers(self) -> int:
        """Number of receivers R of one transmitter."""
        return self.receiver_positions.shape[-2]

    @property
    def data_shape(self) -> tuple[int, int]:
        """(T, R)."""
        return self.num_transmitters, self.num_receivers

    def pixels(self) -> NDArray[np.float64]:
        """Positions of the pixels, (Ny * Nx, 2), x and y in metre."""
        y, x = (self.pixel_size * (np.arange(n) - n / 2) for n in self.grid_shape)
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def distinct_receivers(self) -> tuple[NDArray[np.float64], NDArray[np.intp] | None]:
        """All receiver positions, (n, 2), and which of them a transmitter has, (T, R) or None."""
        if self.receiver_positions.ndim == 2:
            return self.receiver_positions, None
        positions, index = np.unique(
            self.receiver_positions.reshape(-1, 2), axis=0, return_inverse=True
        )
        return positions, index.reshape(self.data_shape)

    def incident_field(self, pixels: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Field u_t(p) = (i/4) H0⁽¹⁾(k|p - p_t|) of the transmitters, (T, pixels)."""
        return hankel(self.wavenumber * _distances(self.transmitter_positions, pixels))

    def green_function(
        self, receivers: NDArray[np.float64], pixels: NDArray[np.float64]
    ) -> NDArray[np.complex128]:
        """Green's function g_r(p) = k² (i/4) H0⁽¹⁾(k|p - p_r|), (receivers, pixels)."""
        return self.wavenumber**2 * hankel(self.wavenumber * _distances(receivers, pixels))

    def digest(self) -> str:
        """SHA-256 of everything that the operator depends on."""
        state = hashlib.sha256(repr((self.wavenumber, self.pixel_size, self.grid_shape)).encode())
        for array in (self.transmitter_positions, self.receiver_positions, self.receiver_mask):
            state.update(b"none" if array is None else repr(array.shape).encode() + array.tobytes())
        return state.hexdigest()

    def _set(self, name: str, value: Any) -> None:  # noqa: ANN401
        object.__setattr__(self, name, value)

    def _positions(
        self, name: str, expected: str, num_transmitters: int | None = None
    ) -> NDArray[np.float64]:
        array = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
        per_transmitter = num_transmitters is not None and array.shape[:-2] == (num_transmitters,)
        if array.ndim < 2 or array.shape[-1] != 2 or not (array.ndim == 2 or per_transmitter):
            alternative = f" or ({num_transmitters}, R, 2)" if num_transmitters else ""
            raise ValueError(
                f"{name}: expected shape {expected}{alternative}, x and y in metre, "
                f"got {array.shape}"
            )
        if array.size == 0 or not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite positions, got none, NaN or infinity")
        half = 0.5 * self.pixel_size * np.array(self.grid_shape[::-1])
        inside = (np.abs(array) <= half).all(axis=-1)
        if inside.any():
            x, y = array[inside][0]
            raise ValueError(
                f"{name}: expected all sensors outside the object, which fills |x| <= "
                f"{half[0]:.4g} m, |y| <= {half[1]:.4g} m, got {int(inside.sum())} inside it, the "
                f"first at ({x:.4g}, {y:.4g}) m: check the units and the pixel size"
            )
        return array

    def _checked_mask(self) -> NDArray[np.bool_] | None:
        if self.receiver_mask is None:
            return None
        mask = np.asarray(self.receiver_mask)
        if mask.shape != self.data_shape or not np.isin(mask, (0, 1)).all():
            raise ValueError(
                f"receiver_mask: expected shape (transmitters, receivers) = {self.data_shape} "
                f"of zeros and ones, got shape {mask.shape} of {mask.dtype}"
            )
        mask = np.ascontiguousarray(mask.astype(bool))
        if not mask.any():
            raise ValueError("receiver_mask: expected some measured data, got a mask of zeros only")
        return None if mask.all() else mask


def _distances(sensors: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(*(sensors[:, None, axis] - pixels[None, :, axis] for axis in (0, 1)))


def _positive(name: str, value: Any) -> float:  # noqa: ANN401
    if np.ndim(value) or not np.isfinite(value) or not value > 0:
        raise ValueError(f"{name}: expected one positive number, got {value}")
    return float(value)
