import dataclasses
from pathlib import Path

import pytest
from jinja2 import meta, nodes

from web import contexts
from web.contexts import Context
from web.render import TEMPLATES_DIR, Renderer
from web.serving.assets import Assets

CONTEXTS = [
    value
    for value in vars(contexts).values()
    if isinstance(value, type) and issubclass(value, Context) and "template" in vars(value)
]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(Assets())


def variables(renderer: Renderer, name: str) -> set[str]:
    """What a template takes from its context, its parents' needs included."""
    source = (TEMPLATES_DIR / name).read_text(encoding="utf-8")
    tree = renderer.environment.parse(source)
    imported = {
        item[-1] if isinstance(item, tuple) else item
        for node in tree.find_all(nodes.FromImport)
        for item in node.names
    }
    own = {node.name for node in tree.find_all(nodes.Macro)}
    found = meta.find_undeclared_variables(tree) - set(renderer.environment.globals) - imported - own
    for parent in meta.find_referenced_templates(tree):
        if parent is not None and not parent.startswith("parts/"):
            found |= variables(renderer, parent)
    return found


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
def test_every_variable_of_a_template_is_in_its_context(context: type[Context], renderer: Renderer) -> None:
    fields = {field.name for field in dataclasses.fields(context)}  # type: ignore[arg-type]
    assert variables(renderer, context.template) <= fields


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
def test_a_context_holds_nothing_that_its_template_does_not_use(
    context: type[Context], renderer: Renderer
) -> None:
    fields = {field.name for field in dataclasses.fields(context)}  # type: ignore[arg-type]
    assert fields <= variables(renderer, context.template)


def test_parts_use_nothing_but_what_they_are_given(renderer: Renderer) -> None:
    for path in (TEMPLATES_DIR / "parts").iterdir():
        assert variables(renderer, f"parts/{path.name}") <= {"paths"}, path.name


def test_every_template_belongs_to_a_context() -> None:
    named = {context.template for context in CONTEXTS} | {"layout.html", "admin/layout.html"}
    there = {str(path.relative_to(TEMPLATES_DIR)) for path in TEMPLATES_DIR.rglob("*.html")}
    assert {name for name in there if not name.startswith("parts/")} == named


def test_only_one_file_knows_the_headers_of_htmx() -> None:
    folder = Path(contexts.__file__).parents[1]
    knowing = [
        path.name for path in folder.rglob("*.py") if "hx-" in path.read_text(encoding="utf-8").lower()
    ]
    assert knowing == ["render.py"]
