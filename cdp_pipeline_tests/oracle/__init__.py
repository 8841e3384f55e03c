"""The oracle: who is who, simulated in plain Python, to compare the pipeline with.

It is written from DESIGN.md alone, imports nothing of ``cdp_pipeline``, and calculates everything again after
every step, because its only virtue is to be obviously right. In the order in which data flows::

    histories.py    random landing files, as NDJSON for the pipeline and as rows for the oracle
    events.py       what landed, and which of it are events
    identity.py     identifiers, anchors, links, components, changes of the map
    registry.py     entity ids: the steps (a) to (d)
    simulation.py   a history of steps -> what must be true after each of them

Ids are canonical lower-case UUID texts. Such texts sort as the UUIDs themselves do on PostgreSQL and DuckDB.
"""
