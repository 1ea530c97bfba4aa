"""Names of files."""

import re
import unicodedata
from hashlib import sha256

_LONGEST = 100


def file_name(label: str) -> str:
    """A label as the name of a file on any system: lower-case letters, digits, - and +."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9.+=]+", "-", plain).strip("-.") or "unnamed"
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{sha256(label.encode()).hexdigest()[:8]}"
    return name
