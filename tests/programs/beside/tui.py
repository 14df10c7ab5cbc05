"""A user's own module that happens to be called as our package."""

WHOSE = "the user's"
