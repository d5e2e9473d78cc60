"""Plain values as TOML text, for what is written and hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping


def as_toml(value: object) -> str:
    """Return a number, truth value, text, sequence or mapping as TOML; text as JSON, whose escapes TOML shares."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{as_toml(str(k))} = {as_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return repr(float(value)) if isinstance(value, float) else str(value)
