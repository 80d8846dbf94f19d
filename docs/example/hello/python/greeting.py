"""What the example job says."""


def to(name="world"):
    """The greeting for a name."""
    return f"hello, {name}"
