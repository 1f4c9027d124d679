"""Model servers: start one, share it between jobs, stop it; or use servers that run already.

A job opens :func:`selfalign.serving.client.served_client`. The configuration selects the server:

* ``server.kind: external``: the running servers at ``server.endpoints``.
* ``server.lifetime: workflow``: the first job that has to send a request starts a server supervisor
  (:mod:`.supervisor`), a small process that owns the server; all jobs of the workflow share it (:mod:`.shared`).
  Snakemake's ``service()`` outputs are not suitable: Snakemake puts a service and *all* its consumers into one group
  that must run at the same time, so a stage of N shards needs N + 1 cores, and an up-to-date consumer is rerun when its
  service is started again for another one.
* ``server.lifetime: job``: each job starts its own server on the same node; for clusters.

Every server runs under a guard (:mod:`.process`), which stops it and all its descendants when its owner ends.
"""
