"""The workflow's job of a generation stage."""

from __future__ import annotations

from selfalign.generate.stage import run_shard


def test_a_rerun_that_the_cache_answers_starts_no_server(cached, seeds, root, tmp_path):
    source = seeds(12)

    def job(config, checkpoint):
        names = ("out", "dropped", "counts")
        paths = {name: tmp_path / name for name in names}
        run_shard(
            config,
            "concepts",
            source,
            checkpoint,
            few_shots=root / "prompts/few_shots_short.txt",
            metrics=tmp_path / "metrics",
            **paths,
        )
        return [paths["out"], paths["counts"]]

    cached(job)
