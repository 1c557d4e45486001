"""Makes the data of the spleen example: abdomens of noisy ellipsoids, as NIfTI volumes with labels.

    python generate.py --folder data

No patient is in it: each volume is a body with a liver, two kidneys, a stomach, a spine and a spleen, whose places,
sizes and intensities differ from volume to volume. The spleen (label 1) is about as bright as the liver and the
kidneys, so that it must be known by its place and shape. The same seed gives the same bytes.

Beside the volumes stands `dataset.json` in the layout of the Medical Segmentation Decathlon, with a list `validation`
that guides the search, and a list `test` that nothing but the last comparison looks at.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
SPLITS = {"training": "imagesTr", "validation": "imagesVal", "test": "imagesTs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """An ellipsoid: where its middle is, how far it reaches, and how bright it is (about as in CT).

    Places and sizes count in half widths of the volume: x from the right side of the body to its left, y from front to
    back, z from below to above.
    """

    at: tuple[float, float, float]
    size: tuple[float, float, float]
    intensity: float
    is_spleen: bool = False


# Later ones cover earlier ones.
ORGANS = (
    Organ(at=(-0.40, -0.10, 0.25), size=(0.38, 0.45, 0.42), intensity=105),  # liver
    Organ(at=(0.30, -0.38, 0.15), size=(0.22, 0.20, 0.30), intensity=60),  # stomach
    Organ(at=(-0.32, 0.42, -0.35), size=(0.14, 0.14, 0.26), intensity=118),  # right kidney
    Organ(at=(0.32, 0.42, -0.30), size=(0.14, 0.14, 0.26), intensity=118),  # left kidney
    Organ(at=(0.48, 0.20, 0.25), size=(0.27, 0.36, 0.40), intensity=118, is_spleen=True),
    Organ(at=(0.00, 0.55, 0.00), size=(0.13, 0.13, 1.20), intensity=300),  # spine
)
BODY_SIZE, BODY_INTENSITY, AIR = (0.92, 0.78, 1.50), 35.0, -150.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("data"))
    parser.add_argument("--size", type=int, default=32, help="voxels along each side")
    parser.add_argument("--training", type=int, default=16, help="volumes to train with")
    parser.add_argument("--validation", type=int, default=12, help="volumes that guide the search")
    parser.add_argument("--test", type=int, default=24, help="volumes that are held out")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts = {split: getattr(given, split) for split in SPLITS}
    write(given.folder, counts, size=given.size, seed=given.seed)
    print(f"{sum(counts.values())} volumes are in {given.folder}")


def write(folder: Path, counts: dict[str, int], *, size: int, seed: int) -> None:
    """Writes the volumes, and at the end dataset.json, by which it is seen that they are whole."""
    listed: dict[str, list[dict[str, str]]] = {}
    for place, (split, images) in enumerate(SPLITS.items()):
        labels = images.replace("images", "labels")
        listed[split] = []
        for number in range(counts[split]):
            # A seed of its own for each volume: more volumes do not change those before.
            image, label = abdomen(np.random.default_rng([seed, place, number]), size)
            name = f"spleen_{number:03d}.nii"
            save(folder / images / name, image.astype(np.int16))
            save(folder / labels / name, label)
            listed[split].append({"image": f"{images}/{name}", "label": f"{labels}/{name}"})
    about = {"name": "Generated spleens", "labels": {"0": "background", "1": "spleen"}, "modality": {"0": "CT"}}
    (folder / "dataset.json").write_text(json.dumps({**about, **listed}, indent=2) + "\n", encoding="utf-8")


def abdomen(random: np.random.Generator, size: int) -> tuple[Volume, NDArray[np.uint8]]:
    """One volume and its label, both of shape (size, size, size)."""
    grid = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32)] * 3, indexing="ij")
    turned = turn(grid, *random.normal(0, 0.10, size=2))
    moved = random.normal(0, 0.06, size=3)  # of the whole patient on the table
    image = np.full((size,) * 3, AIR, dtype=np.float32)
    label = np.zeros((size,) * 3, dtype=np.uint8)
    image[inside(turned, moved, np.array(BODY_SIZE) * random.normal(1, 0.04, 3))] = BODY_INTENSITY
    contrast = random.normal(1, 0.12)  # of the whole volume: scanners and contrast agents differ
    for organ in ORGANS:
        spread = 0.05 if organ.is_spleen else 0.07
        at = np.array(organ.at) + moved + random.normal(0, spread, 3)
        voxels = inside(turned, at, np.array(organ.size) * random.normal(1, 0.15, 3).clip(0.6, 1.4))
        image[voxels] = organ.intensity * contrast + random.normal(0, 9)
        label[voxels] = organ.is_spleen
    image = blur(image) + random.normal(0, 26, image.shape).astype(np.float32)
    return image, label


def turn(grid: list[Volume], about_z: float, about_x: float) -> list[Volume]:
    """The coordinates, turned by small angles in radians."""
    x, y, z = grid
    x, y = np.cos(about_z) * x - np.sin(about_z) * y, np.sin(about_z) * x + np.cos(about_z) * y
    y, z = np.cos(about_x) * y - np.sin(about_x) * z, np.sin(about_x) * y + np.cos(about_x) * z
    return [x, y, z]


def inside(grid: list[Volume], at: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which voxels lie in the ellipsoid."""
    distance = sum(((axis - middle) / reach) ** 2 for axis, middle, reach in zip(grid, at, size, strict=True))
    return np.asarray(distance <= 1)


def blur(image: Volume) -> Volume:
    """Each voxel mixed with its neighbours, as at the borders of organs in a real scan."""
    for axis in range(3):
        image = 0.5 * image + 0.25 * (np.roll(image, 1, axis) + np.roll(image, -1, axis))
    return image


def save(path: Path, array: NDArray[np.int16] | NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


if __name__ == "__main__":
    main()
