"""The quality report of a prepared clip, as data and as a page."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from stages.errors import SubjectError
from stages.files import check_types, read_record
from stages.subject.quality import Level, Verdict
from stages.whole_files import written_whole

REPORT_FOLDER: Final = "report"
_DATA: Final = "report.json"
_PAGE: Final = "index.html"
PICTURE: Final = "report.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationFigures:
    """What was measured on a clip or a photo; None where it was refused before, or where a photo has none.

    Attributes:
        seconds: length of what was prepared.
        detected: share of frames with a face.
        jitter_px: see `TrackMeasures`.
        offset_frames: frames, in parts of one, by which the sound was found to lag the lips.
        offset_correlation: how well speech and lips agree at that lag.
        offset_corrected: frames that were taken out.
        round_trip_px: the largest error from canonical space to the picture and back.
        seconds_per_second: time taken for each second of clip.
        processor_seconds_per_second: the same over all threads, which other load on the machine does not change.
        peak_memory_mb: most memory the process held.
        reference_frame: frame of the tracks that was chosen as reference picture.
        head_refined, torso_refined: frames whose pose was corrected on their own picture.
        head_shift_before_px, torso_shift_before_px: median distance of a frame from the reference, warped to it, as
            tracked.
        head_shift_px, torso_shift_px: the same with what is kept.
        references: pictures in the reference library.
        library_bytes: size of its file.
        background_unseen, background_restless: see `stages.warp.plate.BackgroundPlate`.
        fitted_frames, fitted_unseen: see `stages.inspection.norms.FittedOn`.
    """

    seconds: float | None = None
    detected: float | None = None
    jitter_px: float | None = None
    offset_frames: float | None = None
    offset_correlation: float | None = None
    offset_corrected: float | None = None
    round_trip_px: float | None = None
    seconds_per_second: float | None = None
    processor_seconds_per_second: float | None = None
    peak_memory_mb: float | None = None
    reference_frame: int | None = None
    head_refined: int | None = None
    head_shift_before_px: float | None = None
    head_shift_px: float | None = None
    torso_refined: int | None = None
    torso_shift_before_px: float | None = None
    torso_shift_px: float | None = None
    references: int | None = None
    library_bytes: int | None = None
    background_unseen: float | None = None
    background_restless: float | None = None
    fitted_frames: int | None = None
    fitted_unseen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """Verdicts and figures of one clip.

    Attributes:
        clip: name of its file.
        name: of the subject.
        verdicts: what was looked at, in order.
        figures: what was measured.
        told: what to know of the file, in sentences; see `stages.media.account`.
        found: the same as plain data.
    """

    clip: str
    name: str
    verdicts: tuple[Verdict, ...]
    figures: PreparationFigures
    told: tuple[str, ...] = ()
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The worst of the verdicts."""
        levels = {verdict.level for verdict in self.verdicts}
        return next((level for level in (Level.REFUSED, Level.WARNING) if level in levels), Level.OK)

    def write(self, folder: Path, *, picture: bytes | None) -> None:
        """Write page, picture and data into a folder; the data comes last and marks the report complete."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _DATA).unlink(missing_ok=True)
        (folder / PICTURE).unlink(missing_ok=True)
        if picture is not None:
            (folder / PICTURE).write_bytes(picture)
        (folder / _PAGE).write_text(_page(self, picture), encoding="utf-8")
        with written_whole(folder / _DATA) as partial:
            partial.write_text(json.dumps({"level": self.level, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises SubjectError (``subject_no_report``) when there is none.
        """
        try:
            raw = json.loads(read_record(folder / _DATA))
            verdicts = tuple(
                Verdict(**{**verdict, "level": Level(verdict["level"])}) for verdict in raw["verdicts"]
            )
            figures = PreparationFigures(**raw["figures"])
            for part in (*verdicts, figures):
                check_types(part)
            return cls(
                clip=str(raw["clip"]),
                name=str(raw["name"]),
                verdicts=verdicts,
                figures=figures,
                told=tuple(str(sentence) for sentence in raw.get("told", ())),
                found=dict(raw.get("found", {})),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SubjectError(
                code="subject_no_report",
                where=str(folder),
                what="there is no finished report here",
                hint="prepare the subject: farm subject prepare",
            ) from error

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Whether `write` finished in `folder`."""
        return (folder / _DATA).is_file()


def figure_rows(figures: PreparationFigures) -> Iterator[tuple[str, str]]:
    """Name and value of every figure that was measured, for people."""
    shown: Sequence[tuple[str, float | None, str]] = (
        ("length", figures.seconds, "{:.2f} s"),
        ("frames with a face", figures.detected, "{:.2%}"),
        ("jitter", figures.jitter_px, "{:.2f} px"),
        ("sound lags the lips by", figures.offset_frames, "{:+.3g} frames"),
        ("agreement of sound and lips", figures.offset_correlation, "{:.2f}"),
        ("frames corrected", figures.offset_corrected, "{:+.3g}"),
        ("round trip through canonical space", figures.round_trip_px, "{:.1e} px"),
        ("face beside the pictures, as tracked", figures.head_shift_before_px, "{:.2f} px"),
        ("face beside the pictures, refined", figures.head_shift_px, "{:.2f} px"),
        ("body beside the pictures, as tracked", figures.torso_shift_before_px, "{:.2f} px"),
        ("body beside the pictures, refined", figures.torso_shift_px, "{:.2f} px"),
        ("references", figures.references, "{:d}"),
        ("background never seen", figures.background_unseen, "{:.0%}"),
        ("time for a second of clip", figures.seconds_per_second, "{:.2f} s"),
        ("of the processor", figures.processor_seconds_per_second, "{:.2f} s"),
        ("peak memory", figures.peak_memory_mb, "{:.0f} MB"),
        ("reference frame", figures.reference_frame, "{:d}"),
    )
    yield from ((name, form.format(value)) for name, value, form in shown if value is not None)


def _page(report: QualityReport, picture: bytes | None) -> str:
    title = f"{html.escape(report.name)}: {report.level}"
    verdicts = "\n".join(
        f'<tr class="{verdict.level}"><td>{html.escape(verdict.code)}</td><td>{verdict.level}</td>'
        f"<td>{html.escape(verdict.measured)}</td><td>{html.escape(verdict.threshold)}</td>"
        f"<td>{html.escape(verdict.advice)}</td></tr>"
        for verdict in sorted(
            report.verdicts, key=lambda verdict: list(Level).index(verdict.level), reverse=True
        )
    )
    figures = "\n".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in figure_rows(report.figures)
    )
    told = "\n".join(f"<p>{html.escape(sentence)}.</p>" for sentence in report.told)
    # Within the page, so that it can be sent as one file.
    image = (
        ""
        if picture is None
        else f'<img alt="frames and tracks" src="data:image/png;base64,{b64encode(picture).decode()}">'
    )
    return _TEMPLATE.format(
        title=title, clip=html.escape(report.clip), told=told, verdicts=verdicts, figures=figures, image=image
    )


_TEMPLATE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }}
tr.warning td:nth-child(2) {{ color: #a60; font-weight: 600; }}
tr.refused td:nth-child(2) {{ color: #b00; font-weight: 600; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>{title}</h1>
<p>Quality of {clip}.</p>
{told}
<table><tr><th>what</th><th>verdict</th><th>measured</th><th>limit</th><th>advice</th></tr>
{verdicts}
</table>
<table>
{figures}
</table>
{image}
</body></html>
"""
