"""What the wiring itself works out."""

from pathlib import Path

from app.core.config import Settings
from app.core.identity import DEFAULT_WORKSPACE_ID
from app.wiring import House


def test_the_kind_of_a_source_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    it = House(Settings(data_dir=tmp_path / "data"))
    try:
        it.sources.add("folder", "handbook", {"path": str(tmp_path / "pages")})
        assert it.kind_of_source(DEFAULT_WORKSPACE_ID, "handbook") == "folder"
        assert it.kind_of_source(DEFAULT_WORKSPACE_ID, "nowhere") is None
    finally:
        it.close()
