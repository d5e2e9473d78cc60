"""What mkdocs does beside pages written by hand: pages of the repository's root, and tables made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import reference_parts
import repository_pages
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie under ``docs``, those made from the code, and the files that a page shows."""
    for uri, text in {**repository_pages.pages(ROOT), **reference_parts.pages()}.items():
        files.append(File.generated(config, uri, content=text))
    for uri, path in repository_pages.shown(ROOT).items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in what is made from the code, and turn links that leave ``docs`` into links of the site."""
    return repository_pages.relinked(reference_parts.filled(markdown, ROOT), page.file.src_uri, ROOT)
