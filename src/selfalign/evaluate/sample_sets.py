"""The sample sets that a run scores, and the files that scoring each of them needs.

There are three kinds: samples of the run's own models, published samples, and new samples of a released model for the
tasks of its published samples. All are scored in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from selfalign.benchmarks import data_files, definition_sha256, load_definition
from selfalign.core.config import Config
from selfalign.core.config.downloads import PinnedFile
from selfalign.core.config.evaluation import SELF_TESTS, BenchmarkChoice, PromptLayout, ScoringLimits
from selfalign.core.config.execution import BUILD
from selfalign.core.config.reproduction import PublishedSamples
from selfalign.core.errors import ConfigError

NEW_SAMPLES = "samples generated here"
PUBLISHED_SAMPLES = "published samples, scored again"
# Formats whose outputs are compared with those of reference solutions.
COMPARED_FORMATS = ("evalplus", "evoeval")


@dataclass(frozen=True)
class SampleSet:
    """A set of samples for one benchmark.

    Attributes:
        model: name of the model in tables.
        how: origin of the samples, as shown in tables.
        choice: the benchmark and its sampling parameters.
        directory: directory of its verdicts and score.
        pass_at: values of k of pass@k.
        published: configuration of the published samples; None for generated ones.
        layout: prompt layout of generated samples.
        seed: seed of the first task of generated samples.
        tuned: whether a model fine-tuned by this run generates the samples.
        environment: name of the environment in which programs run.
        image: container image in which programs run; empty: the default.
        max_reference_failures: number of reference solutions that may fail.
        limits: limits of the programs that are scored.
    """

    model: str
    how: str
    choice: BenchmarkChoice
    directory: str
    pass_at: tuple[int, ...]
    published: PublishedSamples | None = None
    layout: PromptLayout | None = None
    seed: int | None = None
    tuned: bool = False
    environment: str = BUILD
    image: str = ""
    max_reference_failures: int = 0
    limits: ScoringLimits = field(default_factory=ScoringLimits)

    @property
    def version(self) -> str:
        """Version of the benchmark's data."""
        return load_definition(self.choice.name).version_named(self.choice.version)[0]

    def sampling(self) -> dict[str, Any]:
        """Return the settings that determine the samples, as parameters of a rule."""
        return {
            **self.choice.model_dump(),
            "definition": definition_sha256(self.choice.name),
            "layout": self.layout,
            "seed": self.seed,
            "tuned": self.tuned,
        }

    def scoring(self) -> dict[str, Any]:
        """Return the settings that determine the score, as parameters of a rule."""
        return {
            "name": self.choice.name,
            "version": self.version,
            "window": self.choice.window,
            "pass_at": list(self.pass_at),
            "layout": self.layout,
            "environment": self.environment,
            "image": self.image,
            "max_reference_failures": self.max_reference_failures,
            "limits": self.limits.of(load_definition(self.choice.name).scoring),
            "exact_floats": self.published is not None and self.published.exact_floats,
        }


class SampleSets:
    """All sample sets of a run.

    Args:
        config: configuration of the run.
        released: configuration with which the released model generates samples.
        results: directory of the run's results.
        downloads: directory of downloads.
        first_round: directory of the results of the first round, whose benchmarks later rounds use; None: `results`.

    Raises:
        ConfigError: two different published files have the same name, or a benchmark repairs samples that the run does
            not generate.
    """

    def __init__(
        self,
        config: Config,
        released: Config,
        *,
        results: str,
        downloads: str,
        first_round: str | None = None,
    ) -> None:
        self._results, self._downloads = results, downloads
        self._first_round = first_round or results
        self._config = config
        evaluation = config.evaluation
        for choice in evaluation.benchmarks:
            _check_repaired(choice, evaluation.benchmarks)
        # The model trained on preferences is scored like the tuned one, from which its training starts.
        preferred = evaluation.layouts.tuned if config.preferences.enabled else []
        titles = {"base": "", "tuned": ", tuned here", "preferred": ", tuned here and trained on preferences"}
        # In the order of the report: by model and layout, then by benchmark.
        self.own = {
            (model, layout, choice.key): SampleSet(
                model=model_title(config) + titles[model],
                how=_how(layout),
                choice=choice,
                directory=f"{results}/scores/{model}/{layout}/{choice.key}",
                pass_at=tuple(evaluation.pass_at),
                layout=layout,
                seed=evaluation.seed,
                tuned=model != "base",
                environment=self.environment(choice.name),
                image=self.image(choice.name),
                max_reference_failures=evaluation.max_reference_failures,
                limits=evaluation.limits,
            )
            for model, layout in [
                *evaluation.layouts.pairs(),
                *(("preferred", layout) for layout in preferred),
            ]
            for choice in evaluation.benchmarks
        }
        known = [*released.reproduction.published_samples, *config.reproduction.published_samples]
        self.published = {
            each.key: SampleSet(
                model=each.model,
                how=PUBLISHED_SAMPLES + (", floats compared exactly" if each.exact_floats else ""),
                choice=BenchmarkChoice(name=each.benchmark, version=each.version),
                directory=f"{results}/reproduce/{each.key}",
                pass_at=tuple(evaluation.pass_at),
                published=each,
                environment=self.environment(each.benchmark),
                image=self.image(each.benchmark),
                max_reference_failures=evaluation.max_reference_failures,
                limits=evaluation.limits,
            )
            for each in known
        }
        answered = {
            (each.choice.name, each.version)
            for each in self.published.values()
            if each.model == released.model.id
        }
        # The released model is asked in one layout, that of its published samples.
        layout = released.evaluation.layouts.base[0]
        self.released = {
            choice.key: SampleSet(
                model=str(released.model.id),
                how=NEW_SAMPLES,
                choice=choice,
                directory=f"{results}/reproduce/released/{choice.key}",
                pass_at=tuple(released.evaluation.pass_at),
                layout=layout,
                seed=released.evaluation.seed,
                environment=self.environment(choice.name),
                image=self.image(choice.name),
                max_reference_failures=evaluation.max_reference_failures,
                limits=evaluation.limits,
            )
            for choice in released.evaluation.benchmarks
            if (choice.name, load_definition(choice.name).version_named(choice.version)[0]) in answered
        }
        self._files = _published_files(known)

    def find(self, wildcards: Mapping[str, str]) -> SampleSet:
        """Return the sample set of a job.

        Args:
            wildcards: wildcards of the job: ``published``, or ``point``, or ``model`` or ``step`` with ``layout`` and
                ``benchmark``, or ``benchmark`` alone for the released model.
        """
        if "published" in wildcards:
            return self.published[wildcards["published"]]
        if "point" in wildcards:
            return self.learning_curve(wildcards["point"])
        if "step" in wildcards:
            return self.checkpoint(wildcards["step"], wildcards["layout"], wildcards["benchmark"])
        if "model" in wildcards:
            return self.own[wildcards["model"], wildcards["layout"], wildcards["benchmark"]]
        return self.released[wildcards["benchmark"]]

    def checkpoint(self, step: str, layout: str, benchmark: str) -> SampleSet:
        """Return the sample set of an intermediate checkpoint of the training.

        Args:
            step: number of finished steps.
            layout: prompt layout.
            benchmark: key of the benchmark.
        """
        return replace(
            self.own["tuned", layout, benchmark],
            model=f"{model_title(self._config)}, step {step}",
            directory=f"{self._results}/scores/checkpoints/step-{step}/{layout}/{benchmark}",
        )

    def learning_curve(self, point: str) -> SampleSet:
        """Return the sample set of a model of the learning curve.

        Args:
            point: name of the point, or a wildcard.
        """
        evaluation = self._config.evaluation
        return SampleSet(
            model=f"{model_title(self._config)}, learning curve {point}",
            how=NEW_SAMPLES,
            choice=next(choice for choice in evaluation.benchmarks if choice.name == SELF_TESTS),
            directory=f"{self._results}/learning_curve/scores/{point}",
            pass_at=tuple(evaluation.pass_at),
            layout=evaluation.layouts.tuned[0],
            seed=evaluation.seed,
            tuned=True,
            environment=self.environment(SELF_TESTS),
            image=self.image(SELF_TESTS),
        )

    def repaired(self, wildcards: Mapping[str, str]) -> list[str]:
        """Return the samples that the samples of a job repair, and their verdicts; empty if they repair none.

        Args:
            wildcards: wildcards of the job, see :meth:`find`.
        """
        choice = self.find(wildcards).choice
        repaired = _repaired_choice(choice, [each.choice for each in self.own.values()])
        if repaired is None:
            return []
        directory = self.find({**wildcards, "benchmark": repaired.key}).directory
        return [f"{directory}/samples.jsonl", f"{directory}/verdicts.jsonl"]

    def data(self, name: str, version: str | None) -> list[str]:
        """Return the data files of a benchmark: downloaded, or artifacts of the run.

        Args:
            name: name of the benchmark.
            version: version of the data; None: the default.
        """
        directory = self.data_directory(name)
        return data_files(name, version, directory) if directory else []

    def data_directory(self, name: str) -> str | None:
        """Return the directory of a benchmark's data files; None if an installed package holds them.

        Args:
            name: name of the benchmark.
        """
        definition = load_definition(name)
        files = definition.version_named(None)[1].files
        if artifact := files[0].artifact:
            return f"{self._first_round}/{PurePosixPath(artifact).parent}"
        return (
            None
            if all(each.package for each in files)
            else f"{self._downloads}/benchmarks/{definition.data_name}"
        )

    def environment(self, name: str) -> str:
        """Return the name of the environment in which a benchmark's programs run.

        Args:
            name: name of the benchmark.
        """
        return load_definition(name).environment_in(self._config.execution)

    def image(self, name: str) -> str:
        """Return the container image in which a benchmark's programs run; empty: the default.

        Args:
            name: name of the benchmark.
        """
        return load_definition(name).image_in(self._config.execution)

    def limits(self, name: str) -> dict[str, float]:
        """Return the limits that affect the verdicts of a benchmark, as a parameter of a rule.

        Args:
            name: name of the benchmark.
        """
        return self._config.evaluation.limits.of(load_definition(name).scoring)

    def ground_truth(self, name: str, version: str | None) -> list[str]:
        """Return the paths of the ground truth (outputs, time limits); empty if the benchmark compares no outputs.

        Args:
            name: name of the benchmark.
            version: version of the data; None: the default.
        """
        definition = load_definition(name)
        if definition.format not in COMPARED_FORMATS:
            return []
        stem = f"{self._downloads}/ground_truth/{name}-{definition.version_named(version)[0]}"
        return [f"{stem}.jsonl", f"{stem}.limits.json"]

    def references(self, name: str, version: str | None) -> list[str]:
        """Return the path of the reference solutions' results as a list; empty if the benchmark has none to run.

        Args:
            name: name of the benchmark.
            version: version of the data; None: the default.
        """
        definition = load_definition(name)
        if not definition.has_references:
            return []
        return [f"{self._downloads}/references/{name}-{definition.version_named(version)[0]}.json"]

    def published_file(self, file: PinnedFile) -> str:
        """Return the path of a published file, downloaded or local.

        Args:
            file: the file's configuration.
        """
        return file.path or f"{self._downloads}/published/{file.name}"

    def downloads(self) -> dict[str, PinnedFile]:
        """Return the published files to download, by their path below the downloads directory."""
        return {f"published/{name}": file for name, file in self._files.items()}

    def published_verdicts(self, samples: SampleSet) -> str | None:
        """Return the path of published verdicts for the same model, benchmark and data version, or None.

        Args:
            samples: a sample set.
        """
        wanted = (samples.model, samples.choice.name, samples.version)
        for each in self.published.values():
            published = each.published
            if published and published.verdicts and (each.model, each.choice.name, each.version) == wanted:
                return self.published_file(published.verdicts)
        return None

    def reproduced(self, *, own: bool, released: bool) -> list[SampleSet]:
        """Return the sample sets of the reproduction table: published ones first, then generated ones.

        Args:
            own: include the samples of the run's own models.
            released: include the new samples of the released model.
        """
        sets = list(self.published.values())
        if released:
            sets += self.released.values()
        if own:
            sets += self.own.values()
        return sets

    def table_rows(self, sets: Iterable[SampleSet]) -> list[tuple[str, str, str, str | None, str | None]]:
        """Return the arguments of :class:`~selfalign.evaluate.reproduction.ObtainedScore` for each of `sets`."""
        return [
            (
                each.model,
                each.how,
                f"{each.directory}/score.json",
                f"{each.directory}/comparison.json" if each.published else None,
                None if each.published else self.published_verdicts(each),
            )
            for each in sets
        ]

    def table_inputs(self, sets: Collection[SampleSet]) -> dict[str, list[str]]:
        """Return the paths of the files from which the reproduction table of `sets` is made, by kind."""
        compared = [(each, self.published_verdicts(each)) for each in sets if not each.published]
        return {
            "scores": [f"{each.directory}/score.json" for each in sets],
            "comparisons": [f"{each.directory}/comparison.json" for each in sets if each.published],
            "published": [verdicts for _, verdicts in compared if verdicts],
            "verdicts": [f"{each.directory}/verdicts.jsonl" for each, verdicts in compared if verdicts],
        }


def model_title(config: Config) -> str:
    """Return the name of the run's model in cards, tables and reports.

    Args:
        config: configuration of the run.
    """
    return config.model.id or config.model.path or "SmolLM2-135M-Instruct"


def executed_benchmarks(config: Config) -> list[str]:
    """Return name and version (``name-version``) of the scored benchmarks whose tasks are tried on functions of rows.

    Args:
        config: configuration of the run.

    Raises:
        ConfigError: there are none.
    """
    found = [
        f"{choice.name}-{load_definition(choice.name).version_named(choice.version)[0]}"
        for choice in config.evaluation.benchmarks
        if load_definition(choice.name).tests_functions
    ]
    if not found:
        raise ConfigError(
            "configuration: 'curation.decontamination.by_execution' is set, but 'evaluation.benchmarks' has no benchmark whose "
            "tasks are functions; expected humaneval, humaneval_plus, mbpp, mbpp_plus or evoeval there, or null"
        )
    return list(dict.fromkeys(found))


def _repaired_choice(choice: BenchmarkChoice, known: Iterable[BenchmarkChoice]) -> BenchmarkChoice | None:
    """Return the benchmark among `known` whose samples `choice` repairs; None if it repairs none, or there is none."""
    wanted = load_definition(choice.name).repairs
    return next(
        (
            each
            for each in known
            if each.name == wanted and (each.version, each.window) == (choice.version, choice.window)
        ),
        None,
    )


def _check_repaired(choice: BenchmarkChoice, known: Iterable[BenchmarkChoice]) -> None:
    repairs = load_definition(choice.name).repairs
    if repairs is None:
        return
    if _repaired_choice(choice, known) is None:
        raise ConfigError(
            f"configuration: 'evaluation.benchmarks': '{choice.name}' repairs the failed samples of '{repairs}'; add "
            f"'{repairs}' with the same version and window"
        )
    if choice.n is not None:
        raise ConfigError(
            f"configuration: 'evaluation.benchmarks': 'n' conflicts with '{choice.name}', which asks once for each failed "
            f"sample; set 'n' of '{repairs}' instead"
        )


def _how(layout: PromptLayout) -> str:
    return NEW_SAMPLES if layout != "plain" else f"{NEW_SAMPLES}, plain completion"


def _published_files(known: Iterable[PublishedSamples]) -> dict[str, PinnedFile]:
    files: dict[str, PinnedFile] = {}
    for each in known:
        for file in (each.samples, each.verdicts):
            if file is not None and file.path is None and files.setdefault(file.name, file) != file:
                raise ConfigError(
                    f"configuration: 'reproduction.published_samples' names two different files called '{file.name}'"
                )
    return files
