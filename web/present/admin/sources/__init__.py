"""Sources as the pages show them: `listing`, `forms`, `looking` (checks and previews), `status`, `words`."""

from web.present.admin.sources.listing import row_view, source_view
from web.present.admin.sources.words import run_words, source_names

__all__ = ["row_view", "run_words", "source_names", "source_view"]
