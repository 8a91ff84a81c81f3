"""LoRA adapters on the company's own chat model: made from its answers, judged, published, chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import RungError

if TYPE_CHECKING:
    from routing.adapters.adapter import AdapterChooser
    from routing.adapters.choice import KindOf, MayReadAll
    from routing.adapters.learning.examples import CallerOf
    from routing.adapters.learning.making import PeopleOf
    from routing.adapters.registry import Adapters
    from routing.adapters.server import LoraServer
    from routing.tier import Tier, TierSpec

_SHARE_FOR_THE_ANSWER = 3
"""The local rung leaves a third of what the model takes to the answer."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What adapters are told of the rest of Rung.

    caller_of: the caller a user id stands for now. people_of: everybody of a workspace. kind_of: the kind of
    a source. rung_with: the local rung, asking a chooser that is given for its adapters.
    """

    may_read_all: "MayReadAll"
    kind_of: "KindOf"
    caller_of: "CallerOf"
    people_of: "PeopleOf"
    rung_with: "Callable[[TierSpec, AdapterChooser], Tier]"


def build_adapters(
    settings: Settings,
    database: Database,
    around: Surroundings,
    *,
    specs: "Sequence[TierSpec] | None" = None,
) -> "Adapters":
    """The adapters of an installation.

    Raises:
        ConfigurationError: `bad_ladder`, where no rung has adapters.
    """
    from routing.adapters.choice import Chooser
    from routing.adapters.learning.examples import Collector, rungs
    from routing.adapters.learning.making import Making, OneAdapter, Parts
    from routing.adapters.learning.past import Past
    from routing.adapters.registry import Adapters
    from routing.adapters.server import LoraServer
    from routing.adapters.service import Service
    from routing.adapters.shelf import Shelf
    from routing.adapters.store import Store
    from routing.tier import load_specs

    ladder = rungs(specs or load_specs())
    key = settings.local_api_key
    server = LoraServer(settings.local_url, key.get_secret_value() if key else None)
    store = Store(database)
    shelf = Shelf(settings.adapters_folder, settings.local_adapters_dir_on_server)
    service = Service(store, shelf, server)
    collector = Collector(
        Past(database), rungs=ladder, caller_of=around.caller_of, may_read_all=around.may_read_all
    )
    parts = Parts(
        store=store,
        shelf=shelf,
        service=service,
        collector=collector,
        may_read_all=around.may_read_all,
        people_of=around.people_of,
        rung_for=lambda name: around.rung_with(ladder.local, OneAdapter(name)),
        prompt_tokens=lambda: _prompt_tokens(server),
    )
    chooser = Chooser(store, around.may_read_all, around.kind_of)
    return Adapters(Making(parts), parts, server, chooser)


def _prompt_tokens(server: "LoraServer") -> int | None:
    """The longest prompt the server takes; nothing where it does not answer or does not say."""
    from routing.adapters.server import base_of

    try:
        context = base_of(server.models()).context_tokens
    except RungError:
        return None
    return None if context is None else context - context // _SHARE_FOR_THE_ANSWER
