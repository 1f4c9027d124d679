"""Model servers: start one, share it between jobs, stop it; or use servers that run already.

A job opens :func:`selfalign.serving.client.served_client`. Which server answers it is configuration:

* ``server.kind: external``: the servers at ``server.endpoints``; nothing is started.
* ``server.lifetime: workflow``: the first job that has something to ask starts a server supervisor
  (:mod:`.supervisor`), a small process that owns the server; all jobs of the workflow share it (:mod:`.shared`).
  Snakemake's own ``service()`` outputs do not serve here: Snakemake puts a service and *all* its consumers into one
  group that must run at the same time, so a stage of N shards asks for N + 1 cores, and a consumer that is up to date
  is rerun when its service is started again for another.
* ``server.lifetime: job``: the job starts a server of its own, beside it on the same node; for clusters.

Every server runs under a guard (:mod:`.guard`), which stops it, with every process that it started, when the process
that wanted it is gone.
"""
