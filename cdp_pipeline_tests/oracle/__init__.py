"""The oracle: who is who, simulated in plain Python, to compare the pipeline with.

It is written from DESIGN.md alone, imports nothing of ``cdp_pipeline``, and calculates everything again after
every step, because its only virtue is to be obviously right. In the order in which data flows::

    kinds.py        a kind of entity: types, limits, thresholds, identity maps
    operators.py    random decisions, random rows of identity maps
    histories.py    random landing files, as NDJSON for the pipeline and as rows for the oracle
    worlds.py       kinds and random histories in which limits, hubs, decisions and maps matter
    stories.py      the words in which tests tell a history
    events.py       what a run finds, and which landed rows are events
    maps.py         rows of identity maps in force, renames
    decisions.py    what operators decided, the latest of each subject
    identity.py     identifiers, anchors, links, what is connected
    hubs.py         who is in quarantine, effective anchors
    limits.py       components, groups, refused links
    ownership.py    whose an identifier is and when, changes of that
    registry.py     entity ids: the steps (a) to (d)
    states.py       what follows from the inputs of a step, and all that is published after it
    touched.py      which components a step touches
    simulation.py   a history of steps -> what must be true after each of them

Ids are canonical lower-case UUID texts. Such texts sort as the UUIDs themselves do on PostgreSQL and DuckDB.
"""
