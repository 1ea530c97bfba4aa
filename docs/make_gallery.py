"""Run the examples and write docs/gallery.md with their code, what they print and their pictures.

make gallery
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery.md"
SECTIONS = {
    "One for each problem": ("scattering", "black_hole", "mri", "restoration"),
    "One for each user": ("own_file", "new_problem", "in_inversebench", "benchmark"),
    "Operators of other libraries, and of none": ("other_libraries", "proxy_gradient"),
}
"""Examples by the heading under which they stand."""

_INTRODUCTION = """# Gallery

Short programs, each complete and run as it stands: by `make gallery`, which made this page, and by
the tests, which hold it to what the examples print. All data are in the package or simulated; each
takes less than 20 seconds on one processor core. With a folder as argument they write the picture.
"""

_EXAMPLE = """
### {title}

```python
{code}
```

prints

```
{output}
```

![{title}](gallery/{name}.png)
"""


def run(name: str, folder: Path) -> str:
    """What an example prints when it writes its picture into `folder`."""
    command = [sys.executable, "-W", "error", f"examples/{name}.py", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return done.stdout


def page(outputs: Mapping[str, str]) -> str:
    """Text of the gallery, given what each example prints."""
    parts = [_INTRODUCTION]
    for heading, names in SECTIONS.items():
        parts.append(f"\n## {heading}\n")
        for name in names:
            code = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").rstrip()
            title = code.split('"""')[1].splitlines()[0].rstrip(".")
            values = {"title": title, "code": code, "output": outputs[name].rstrip()}
            parts.append(_EXAMPLE.format(name=name, **values))
    return "".join(parts)


def main() -> None:
    """Run all examples, each as a program of its own."""
    from PIL import Image

    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for names in SECTIONS.values() for name in names):
            outputs[name] = run(name, Path(folder))
            with Image.open(Path(folder) / f"{name}.png") as picture:
                small = picture.convert("RGB").quantize(256)
                small.save(ROOT / "docs" / "gallery" / f"{name}.png", optimize=True)
    GALLERY.write_text(page(outputs), encoding="utf-8")


if __name__ == "__main__":
    main()
