"""An evaluate job from its pairs to its report: only what the store does not hold is measured."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from farm.config import share_machine
from farm.destinations import check_destination, write_whole
from farm.engine import engine_identity
from farm.evaluation.identity import Identities
from farm.evaluation.judge import JudgeOptions, PairJudge
from farm.evaluation.records import PairRecord
from farm.evaluation.report import EvaluationReport, Row
from farm.evaluation.rounds import Listener, Pool, Result, judge_all
from farm.evaluation.tables import markdown
from farm.evaluation.worker import PairTask, PlotKeys, WorkSetup, judgement_of, local_files
from farm.execution.opening import opened_cluster
from farm.translation import translated
from infra.delivery import check_bucket, deliver
from infra.hardware import Hardware
from infra.settings import FarmSettings
from infra.storage import ObjectStore, open_store
from jobs.locations import is_s3
from jobs.parse import LoadedEvaluation
from stages.sync.syncnet_file import syncnet_file

OpenPool = Callable[[WorkSetup, int], AbstractContextManager[Pool]]
"""Opens that many workers, or as many as there are cores, for a block; called when a pair is missing."""

_REPORTS: Final = {"report.json": "application/json", "report.md": "text/markdown; charset=utf-8"}
_FIELD: Final = "spec.output.uri"


def evaluate_job(
    loaded: LoadedEvaluation, *, settings: FarmSettings, open_pool: OpenPool, listener: Listener
) -> EvaluationReport:
    """Judge every pair of a job and write its report.

    Args:
        loaded: The job.
        settings: Of this process.
        open_pool: Opens workers, see `opened_judges`.
        listener: Is told what happens.

    Raises:
        FarmError: An input is missing, the output or the store cannot be written, or the cluster failed. A pair that
            cannot be judged raises nothing: it is a row of the report without figures.
    """
    started = time.monotonic()
    output = loaded.output.rstrip("/")
    _check_output(output)
    setup = WorkSetup(store=settings.store, cache=settings.cache, options=_options(loaded))
    engine = engine_identity()
    tasks = _tasks(loaded, setup=setup, engine=engine, output=output)
    store = open_store(settings.store)
    results: dict[str, Result] = {
        str(task): record for task in tasks if (record := _finished(task, store)) is not None
    }
    found = frozenset(results)
    missing = [task for task in tasks if str(task) not in found]
    listener.judged(done=len(found), total=len(tasks))
    if found:
        listener.note(f"{len(found)} of {len(tasks)} pairs were judged before")
    if missing:
        with open_pool(setup, len(missing)) as pool:
            results |= judge_all(missing, pool=pool, listener=listener, found=len(found))
    report = EvaluationReport(
        name=loaded.job.metadata.name,
        engine=engine,
        rows=tuple(
            _row(task, results[str(task)], store=store, is_new=str(task) not in found) for task in tasks
        ),
        output=output,
        seconds=time.monotonic() - started,
    )
    _write(report)
    return report


@contextmanager
def opened_judges(
    setup: WorkSetup,
    pairs: int,
    *,
    judge: PairJudge,
    workers: int | None,
    settings: FarmSettings,
    hardware: Hardware,
) -> Iterator[Pool]:
    """Workers on the cluster of the settings, or on one that is started for the length of the block.

    Args:
        setup: What every worker must know.
        pairs: How many there are to judge; no more workers are started.
        judge: What measures.
        workers: How many the job asks for; None: one for each core.
        settings: Of this process.
        hardware: Of this machine.

    Raises:
        ClusterUnavailable: There is no cluster, or no worker came.
    """
    with opened_cluster(settings=settings, hardware=hardware) as cluster:
        # Ray reads its environment when it is imported; the connection has prepared it by now.
        from farm.execution.judge_pool import JudgePool

        cores = int(cluster.cpus)
        count = min(pairs, workers or cores)
        pool = JudgePool(
            judge=judge,
            setup=setup,
            workers=count,
            share=share_machine(cores=cores, gpus=0, replicas=count),
        )
        try:
            pool.start()
            yield pool
        finally:
            pool.close()


def _options(loaded: LoadedEvaluation) -> JudgeOptions:
    spec = loaded.job.spec
    syncnet = loaded.syncnet
    if syncnet is not None:
        with translated("spec.syncnet"):
            syncnet = syncnet_file(syncnet)
    return JudgeOptions(
        measures=tuple(sorted(set(spec.measures))), sample_every=spec.sample_every, syncnet=syncnet
    )


def _tasks(loaded: LoadedEvaluation, *, setup: WorkSetup, engine: str, output: str) -> list[PairTask]:
    identities = Identities(options=setup.options, engine=engine)
    tasks = []
    for pair in loaded.find_pairs():
        judgement = identities.of(local_files(pair, cache=setup.cache))
        plots: Path | PlotKeys | None = None
        if loaded.job.spec.output.plots:
            plots = judgement.plots if is_s3(output) else Path(output) / "plots" / pair.system / pair.clip
        tasks.append(PairTask(pair=pair, key=judgement.key, plots=plots))
    return tasks


def _finished(task: PairTask, store: ObjectStore) -> PairRecord | None:
    """The figures of a pair that was judged before and whose plots are where this job wants them."""
    if store.head(task.key) is None:
        return None
    if isinstance(task.plots, Path) and judgement_of(task.plots) != task.key:
        return None
    if isinstance(task.plots, PlotKeys) and next(store.list(f"{task.plots.prefix}/"), None) is None:
        return None
    return PairRecord.model_validate_json(store.get(task.key))


def _row(task: PairTask, result: Result, *, store: ObjectStore, is_new: bool) -> Row:
    plots: str | None = None
    if isinstance(task.plots, PlotKeys):
        plots = f"{store.uri}/{task.plots.prefix}"
    elif task.plots is not None:
        plots = str(task.plots)
    return Row(pair=task.pair, result=result, plots=plots, is_new=is_new)


def _check_output(output: str) -> None:
    """Prove before anything is measured that the report can be written."""
    for name in _REPORTS:
        if is_s3(output):
            check_bucket(f"{output}/{name}", where=_FIELD)
        else:
            check_destination(Path(output) / name, where=_FIELD)


def _write(report: EvaluationReport) -> None:
    texts = {
        "report.json": json.dumps(report.as_record(), indent=2, ensure_ascii=False) + "\n",
        "report.md": markdown(report),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            if is_s3(report.output):
                path = Path(folder) / name
                path.write_text(text, encoding="utf-8")
                deliver(path, f"{report.output}/{name}", content_type=_REPORTS[name], where=_FIELD)
            else:
                write_whole(Path(report.output) / name, text.encode(), where=_FIELD)
