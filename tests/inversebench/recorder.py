"""What a program reads and calls on an object, with the shapes and types that pass."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

Record = dict[str, Any]

LARGEST_MAPPING = 8
"""Items up to which they are told one by one: a state dict is not."""


def describe(value: object) -> Any:
    """The kind of a value: shape and type of an array, the value itself of a flag."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        if len(value) > LARGEST_MAPPING:
            return "mapping"
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [describe(item) for item in value]
    return "device" if value == "cpu" else type(value).__name__


class Recorder:
    """Stands in for an object and notes what is read and called.

    Parameters
    ----------
    wrapped : object
    record : dict
        To fill: ``attributes``, by name, and ``calls``, each once.
    """

    def __init__(self, wrapped: Any, record: Record) -> None:
        self._wrapped, self._record = wrapped, record
        record.setdefault("attributes", {})
        record.setdefault("calls", [])

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if callable(value) and not isinstance(value, torch.Tensor):
            return self._noted(name, value)
        self._record["attributes"][name] = describe(value)
        return value

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._noted("__call__", self._wrapped)(*arguments, **keywords)

    def _noted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            result = function(*arguments, **keywords)
            itself = result is self._wrapped
            entry = {
                "name": name,
                "arguments": describe(arguments),
                "keywords": describe(keywords),
                "returns": "itself" if itself else describe(result),
            }
            if entry not in self._record["calls"]:
                self._record["calls"].append(entry)
            return self if itself else result

        return call
