"""From one photo to a subject that is drawn, and photos that are refused in one line each, with a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_library import write_package
from PIL import Image

from stages.builtin import builtin_subject
from stages.errors import SubjectError
from stages.geometry.canonical import pose
from stages.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from stages.inspection.norms import Norms
from stages.payloads import PosedFace
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.subject.preparation_request import SubjectRequest
from stages.subject.quality import Level
from stages.subject.quality_report import QualityReport

pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)

from stages.render.warped_stage import WarpedStage
from stages.subject.photo_preparation import PHOTO_LIMITS, library_of_photo, prepare_photo
from stages.subject.photo_verdicts import judge_view
from stages.subject.photo_view import PhotoFaces, PhotoView

ACTOR = "actor-c"
MASK_BORDER = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377),
    *(400, 378, 379, 365, 397, 288, 361, 323, 454, 280, 5, 50),
)


def portrait(name: str = ACTOR) -> np.ndarray:
    picture = cv2.imread(str(builtin_subject(name) / "reference.png"))
    return cv2.cvtColor(cv2.resize(picture, (512, 512), interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def donors(tmp_path_factory: pytest.TempPathFactory) -> list[SubjectPackage]:
    return [SubjectPackage.load(write_package(tmp_path_factory.mktemp("donors") / "ada"))]


@pytest.fixture
def prepare(tmp_path: Path, donors: list[SubjectPackage]) -> Callable[..., QualityReport]:
    consent = tmp_path / "agreed.txt"
    consent.write_text("I agree")

    def prepared(picture_HW3: np.ndarray, *, out: str = "zoe", **more: object) -> QualityReport:
        Image.fromarray(picture_HW3).save(tmp_path / "photo.png")
        request = SubjectRequest(
            clip=tmp_path / "photo.png", name="Zoë", consent=consent, out=tmp_path / out, **more
        )
        return prepare_photo(request, progress=lambda *_: None, donors=donors)

    return prepared


def verdict_of(report: QualityReport, code: str) -> Level:
    return next(verdict.level for verdict in report.verdicts if verdict.code == code)


def test_a_photo_becomes_a_subject_that_is_drawn(tmp_path: Path, prepare, donors) -> None:
    report = prepare(portrait())
    assert verdict_of(report, "donor") == Level.OK
    assert any("10 degrees of yaw" in sentence for sentence in report.told)
    subject = SubjectPackage.load(tmp_path / "zoe")
    assert not subject.is_trained
    assert subject.motion_limits == PHOTO_LIMITS
    assert "photo.png" in subject.provenance
    assert f"ada ({donors[0].sha256[:16]})" in subject.provenance
    assert (tmp_path / "zoe" / "consent.txt").read_text() == "I agree"
    size = sum(path.stat().st_size for path in (tmp_path / "zoe").rglob("*") if path.is_file())
    assert size < 8_000_000

    stage = WarpedStage.load(subject=subject, device="cpu")
    template = subject.template
    drawn = stage.render(
        PosedFace(
            mesh_TN3=pose(template.mesh_N3[None], template.head_7[None]), torso_TN3=template.torso_N3[None]
        ),
        first_frame=0,
    )
    apart = np.abs(next(drawn).astype(int) - subject.reference_HW3)
    assert apart[100:240, 180:330].mean() < 4
    assert apart.mean() < 8


def test_the_same_photo_gives_the_same_bytes_and_a_finished_one_is_left_alone(
    tmp_path: Path, prepare
) -> None:
    first, second = prepare(portrait()), prepare(portrait(), out="again")
    assert first.verdicts == second.verdicts
    for name in ("references.safetensors", "subject.yaml", "reference.png", "inspection.json"):
        assert (tmp_path / "zoe" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "zoe").rglob("*")}
    assert prepare(portrait()).verdicts == first.verdicts
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "zoe").rglob("*")} == before


def test_a_photo_with_much_around_is_framed(tmp_path: Path, prepare) -> None:
    wide = np.full((900, 1600, 3), 90, np.uint8)
    wide[300:812, 700:1212] = portrait()
    prepare(wide)
    head_7 = SubjectPackage.load(tmp_path / "zoe").template.head_7
    assert np.abs(head_7[3:5] - (256, 240)).max() < 40


def with_lenses(picture_HW3: np.ndarray) -> np.ndarray:
    faces = PhotoFaces.of(picture_HW3)
    points_N2 = faces.look.faces_N2[0]
    dark = picture_HW3.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        x, y = np.rint(points_N2[eye].mean(axis=0)).astype(int).tolist()
        cv2.ellipse(dark, (x, y), (46, 36), 0, 0, 360, (12, 12, 14), -1)
    return dark


def turned(picture_HW3: np.ndarray, *, yaw: float = 0.0, pitch: float = 0.0) -> np.ndarray:
    """The head seen from a side or from below, as far as a warp of its mesh shows it."""
    faces = PhotoFaces.of(picture_HW3)
    view = PhotoView.of(picture_HW3, faces=faces, framing=faces.framing(where="photo"))
    assert view is not None
    template, references = library_of_photo(view, None)
    head_17 = template.head_7[None] + np.array([[yaw, pitch, 0, 0, 0, 0, 0]], np.float32)
    stage = WarpedStage(None, library=references.opened(), template=template, device=torch.device("cpu"))
    face = PosedFace(mesh_TN3=pose(template.mesh_N3[None], head_17), torso_TN3=template.torso_N3[None])
    return next(stage.render(face, first_frame=0))


def rolled(picture_HW3: np.ndarray, degrees: float) -> np.ndarray:
    matrix_23 = cv2.getRotationMatrix2D((256, 230), degrees, 0.8)
    return cv2.warpAffine(picture_HW3, matrix_23, (512, 512), borderMode=cv2.BORDER_REPLICATE)


def masked(picture_HW3: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """A mask of cloth from the nose to the chin."""
    points_N2 = PhotoFaces.of(picture_HW3).look.faces_N2[0]
    covered = picture_HW3.copy()
    cv2.fillPoly(covered, [np.rint(points_N2[list(MASK_BORDER)]).astype(np.int32)], colour)
    return covered


def asleep(_: np.ndarray) -> np.ndarray:
    """A picture of an actor whose eyes are shut."""
    actor = SubjectPackage.load(builtin_subject("actor-a"))
    references = read_library(actor.library, template=actor.template)
    upper, lower = references.points_RP2[:, 159, 1], references.points_RP2[:, 145, 1]
    return references.pictures_RSS3[int((lower - upper).argmin())]


def beside_another(picture_HW3: np.ndarray) -> np.ndarray:
    return np.hstack([picture_HW3, portrait("actor-a")])


def tiny(picture_HW3: np.ndarray) -> np.ndarray:
    small = np.full((512, 512, 3), 120, np.uint8)
    small[200:328, 200:328] = cv2.resize(picture_HW3, (128, 128), interpolation=cv2.INTER_AREA)
    return small


BAD = {
    "no_face": lambda _: np.full((512, 512, 3), 90, np.uint8),
    "several_faces": beside_another,
    "upside_down": lambda picture: np.ascontiguousarray(picture[::-1, ::-1]),
    "low_resolution": tiny,
    "sunglasses": with_lenses,
    "profile": lambda picture: turned(picture, yaw=38.0),
    "pitch": lambda picture: turned(picture, pitch=-36.0),
    "roll": lambda picture: rolled(picture, 40.0),
    "covered": lambda picture: masked(picture, (120, 170, 210)),
    "eyes_closed": asleep,
    "leaves_square": lambda picture: np.ascontiguousarray(picture[:, 200:]),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_photo_is_refused_in_one_line_and_leaves_a_report_and_no_package(
    tmp_path: Path, prepare, code: str
) -> None:
    bad = BAD[code](portrait())
    for _ in range(2):
        with pytest.raises(SubjectError) as caught:
            prepare(bad)
        assert caught.value.code == f"photo_{code}"
        assert "\n" not in str(caught.value)
        assert caught.value.hint
    assert not (tmp_path / "zoe" / "subject.yaml").exists()
    report = QualityReport.load(tmp_path / "zoe" / "report")
    assert verdict_of(report, code) == Level.REFUSED


@pytest.mark.parametrize("colour", [(20, 20, 22), (235, 235, 235)])
def test_a_mask_of_no_colour_covers_too(colour: tuple[int, int, int]) -> None:
    picture = masked(portrait(), colour)
    faces = PhotoFaces.of(picture)
    view = PhotoView.of(picture, faces=faces, framing=faces.framing(where="photo"))
    assert {verdict.code for verdict in judge_view(view) if verdict.level is Level.REFUSED} == {"covered"}


class SeesHand:
    """Finds one hand, whose palm is where it is told."""

    def __init__(self, x: float, y: float) -> None:
        fingers = [
            [(-40, 20), (-55, 0), (-65, -15), (-75, -30)],
            *[[(x, -40), (x, -70), (x, -90), (x, -110)] for x in (-30, -10, 10, 30)],
        ]
        points = [(0, 60), *(point for finger in fingers for point in finger)]
        self.hand_212 = np.array(points, np.float32) + np.array([x, y], np.float32)

    def __enter__(self) -> SeesHand:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def find(self, _: np.ndarray) -> list[np.ndarray]:
        return [self.hand_212]


@pytest.mark.parametrize(("y", "level"), [(330.0, Level.REFUSED), (400.0, Level.WARNING), (500.0, Level.OK)])
def test_a_hand_before_the_face_is_refused_and_one_at_the_chin_is_warned_of(
    y: float, level: Level, prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.subject.photo_view.HandFinder", lambda: SeesHand(256.0, y))
    if level is Level.REFUSED:
        with pytest.raises(SubjectError) as caught:
            prepare(portrait())
        assert caught.value.code == "photo_hands"
    else:
        assert verdict_of(prepare(portrait()), "hands") == level


@pytest.mark.parametrize(
    ("code", "warned"),
    [
        ("profile", lambda picture: turned(picture, yaw=17.0)),
        ("pitch", lambda picture: turned(picture, pitch=-20.0)),
        ("roll", lambda picture: rolled(picture, 20.0)),
        ("low_resolution", lambda picture: cv2.resize(picture, (300, 300), interpolation=cv2.INTER_AREA)),
    ],
)
def test_what_is_not_quite_good_is_warned_of(
    prepare, code: str, warned: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert verdict_of(prepare(warned(portrait())), code) == Level.WARNING


def test_a_photo_is_held_against_limits_of_its_own(tmp_path: Path, prepare) -> None:
    report = prepare(portrait())
    assert verdict_of(report, "limits") == Level.OK
    assert (report.figures.fitted_frames, report.figures.fitted_unseen) == (50, 50)
    subject = SubjectPackage.load(tmp_path / "zoe")
    norms = Norms.of(subject, folder=tmp_path / "zoe", size=512)
    assert norms.is_fitted
    assert not norms.notice


def test_a_photo_without_donors_is_told(tmp_path: Path, prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    consent = tmp_path / "c"
    consent.write_text("I agree")
    Image.fromarray(portrait()).save(tmp_path / "p.png")
    request = SubjectRequest(clip=tmp_path / "p.png", name="Zoë", consent=consent, out=tmp_path / "alone")
    report = prepare_photo(request, progress=lambda *_: None, donors=[])
    assert verdict_of(report, "donor") == Level.WARNING
    assert report.figures.references == 1
    assert "mouth" not in SubjectPackage.load(tmp_path / "alone").provenance


@pytest.mark.parametrize("more", [{"audio_lag": 1.0}, {"audio_track": 2}])
def test_a_photo_has_no_sound(tmp_path: Path, prepare, more: dict[str, object]) -> None:
    with pytest.raises(SubjectError) as caught:
        prepare(portrait(), **more)
    assert caught.value.code == "photo_no_sound"
    assert not (tmp_path / "zoe").exists()
