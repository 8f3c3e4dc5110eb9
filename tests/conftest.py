"""What every test shares: property tests that repeat themselves and never fail for being slow."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("repeatable")
