"""`make bench`: how long an epoch takes in `nn_helpers` and in the loops of other libraries.

``problem`` is what every loop is given, ``competitors`` are the loops, ``measuring`` times them,
``report`` and ``figure`` write what was measured. Pytest collects nothing here; the tests of all
this are in ``tests/test_benchmarks.py``.
"""
