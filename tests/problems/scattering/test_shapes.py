import torch

from lmaps_science.problems.scattering.shapes import KINDS, LARGEST, disc, draw, rectangle


def test_objects_are_of_few_materials_on_nothing():
    images = draw(40, 48, seed=3)
    assert images.shape == (40, 1, 48, 48)
    assert torch.equal(images, draw(40, 48, seed=3))
    assert not torch.equal(images, draw(40, 48, seed=4))
    assert images.min() == -1
    assert images.amax((1, 2, 3)).min() > -1
    assert images.max() <= 1
    for image in images:
        values, counts = image.unique(return_counts=True)
        flat = values[counts > 12]
        assert flat[0] == -1
        assert len(flat) <= 1 + LARGEST


def test_edges_cover_the_share_of_a_pixel():
    axis = torch.linspace(-1, 1, 401)
    x, y = axis[None, None, :], axis[None, :, None]
    size, share = torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 1.0)
    area = {f: float((f(x, y, size, share) < 0).float().mean()) * 4 for f in KINDS}
    assert abs(area[disc] - torch.pi / 4) < 0.01
    assert abs(area[rectangle] - 1) < 0.02
    for shape in KINDS:
        slope = torch.diff(shape(x, y, size, share), dim=2) / torch.diff(axis)
        assert slope.abs().max() < 1.001
