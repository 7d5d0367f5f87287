"""The one state store, and the only folder with SQL in it.

A write *unit* is stored whole or not at all. The facets fill units with rows, each of a *kind*: ``checkpoints`` for
domains and what their cuts write, ``runs`` for workflows, ``letters`` and ``commands``. ``Store.submit`` hands a unit
to the one writer, which commits all that waits as one transaction: ``writer`` (who waits, retries, answers),
``commits`` (what happens in the transaction), ``groups`` (how many units share few statements).

``engine`` is the seam behind which databases differ. Behind it, and imported only when a store is opened: ``dialects``,
``sqlite`` and ``postgres`` with their drivers, ``postgres_lease`` (who serves the schema of a server) and the SQL
(``schema``, ``statements``, ``domain_statements``, ``run_statements``, ``queries``).
"""
