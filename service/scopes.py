"""What a key may do: each scope holds the ones before it. Knows no key and no request."""

from enum import IntEnum

REQUIRES = "requires"  # the attribute of a view that names its scope, where the method alone does not say it


class Scope(IntEnum):
    """What an endpoint asks of a key, and what a key may do."""

    PUBLIC = 0  # no key: signs of life, the description of the service, and pages that hold no data
    READ = 1  # see one's own things, and ask one's models
    WRITE = 2  # make, change and delete one's own things
    ADMIN = 3  # see the metrics of the whole service; not others' data

    @property
    def word(self) -> str:
        """The scope as users write it."""
        return self.name.lower()


GIVEN = tuple(scope.word for scope in Scope if scope is not Scope.PUBLIC)  # what a key may be given
