# SPDX-License-Identifier: Apache-2.0
"""The one base class of every value in this package: frozen, and an unknown field is an error."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Frozen(BaseModel):
    """A value. Python names are snake_case; what people read and write is camelCase."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_enum_values=False
    )

    def to_plain(self) -> dict[str, object]:
        """Give this value as plain JSON-ready data, camelCase, without the fields that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
