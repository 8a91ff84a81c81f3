"""What every context is made of."""

from dataclasses import dataclass
from typing import ClassVar

from web.present.views import (
    Frame,
)


class Context:
    """Base of all template contexts; `template` is the file below templates/."""

    __slots__ = ()
    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class PageContext(Context):
    """What the frame around every full page needs."""

    frame: Frame
