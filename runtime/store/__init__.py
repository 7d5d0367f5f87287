"""The one state store, and the only folder with SQL in it.

A write *unit* is stored whole or not at all. The facets fill units with rows: ``checkpoints`` for domains and what
their cuts write, ``runs`` for workflows, ``letters`` and ``commands``. ``Store.submit`` hands a unit to the one writer,
which commits all that waits as one transaction: ``writer`` (who waits, retries, answers), ``commits`` (what happens in
the transaction), ``groups`` (how many units share few statements), ``statements`` with ``domain_statements`` and
``run_statements`` (the SQL). ``engine`` is the seam behind which databases differ; so far ``sqlite`` and
``sqlite_driver`` are behind it.
"""
