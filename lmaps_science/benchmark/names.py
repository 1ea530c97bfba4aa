"""Names of files."""

import re
import unicodedata


def file_name(label: str) -> str:
    """A label as the name of a file on any system: lower-case letters, digits, - and +."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.+=]+", "-", plain).strip("-.") or "unnamed"
