"""What our paths may hold in braces, beside what Starlette knows: `{monitor_id:id}` and `{public_id:incident}`."""

from __future__ import annotations

from starlette.convertors import Convertor, IntegerConvertor, register_url_convertor


class _Id(IntegerConvertor):
    """A number in a path that may be an id.

    Starlette's own `int` takes any number of digits, and Python refuses to read thousands of them: a 500 for strangers.
    """

    regex = "[0-9]{1,19}"  # as many as 64 bits need


class _PublicId(Convertor[str]):
    """What stands for an incident in an address; no word of ours looks like it."""

    regex = "[0-9a-f]{16}"

    def convert(self, value: str) -> str:
        """Return it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return it as it is."""
        return value


def register() -> None:
    """Make them known to Starlette, which looks them up at the moment when a route is declared."""
    register_url_convertor("id", _Id())
    register_url_convertor("incident", _PublicId())
