"""Sources: adding, setting up, listing and removing them, and what people see of their runs.

`service` lists and removes, `setting_up` takes one from a draft to its first sync and changes it later,
`looking`, `preview` and `estimating` look at a source without storing anything.
"""

from ingest.connectors.checked import SettingsError
from ingest.sources.fields import SettingField
from ingest.sources.service import Sources
from ingest.sources.setting_up import SetUp
from ingest.sources.values import AccessChoice, Run, Schedule, Source

__all__ = ["AccessChoice", "Run", "Schedule", "SetUp", "SettingField", "SettingsError", "Source", "Sources"]
