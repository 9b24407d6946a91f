from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_library import (
    OPENINGS,
    PLATE,
    made_references,
    person_mask,
    still_plate,
    talking,
    with_lids,
    with_mouth,
)
from posed_actor import PosedActor

from stages.geometry.canonical import pose, straightened
from stages.geometry.landmarks import INNER_LIP_RING
from stages.metrics.pictures import laplacian_variance
from stages.warp.candidates import CandidateMaker, Candidates, SoftPart, over
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING
from stages.warp.library import ReferenceLibrary, divided, sharpened
from stages.warp.references import FrameReferences, Mixture

TINTS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (200, 200, 20))


@pytest.fixture(scope="module")
def maker(actor: PosedActor) -> CandidateMaker:
    return CandidateMaker(library=made_references(actor).opened(), control=actor.control)


def made(
    maker: CandidateMaker,
    actor: PosedActor,
    *,
    opening: float = 0.0,
    head_7: np.ndarray | None = None,
    head: int = 0,
    mouth: int = 0,
    eyes: int = 0,
    references: FrameReferences | None = None,
) -> Candidates:
    head_7 = actor.head_7 if head_7 is None else head_7
    canonical_N3 = with_lids(with_mouth(actor.canonical_N3, opening), opening / 3)
    mesh_N3 = pose(canonical_N3[None], head_7[None])[0]
    return maker.make(
        mesh_N3=mesh_N3,
        head_7=head_7,
        torso_18x3=actor.torso_18x3,
        references=references or FrameReferences.only(head=head, mouth=mouth, eyes=eyes),
    )


def inside(actor: PosedActor, opening: float, ring: np.ndarray) -> tuple[int, int]:
    """Row and column of the middle of a ring."""
    canonical_N3 = with_lids(with_mouth(actor.canonical_N3, opening), opening / 3)
    column, row, _ = pose(canonical_N3[None], actor.head_7[None])[0, ring].mean(axis=0)
    return int(row), int(column)


def tinted(maker: CandidateMaker) -> CandidateMaker:
    """References that are told apart by their colour everywhere."""
    layers_RSS4 = np.zeros_like(maker.library.layers_RSS4)
    layers_RSS4[..., 3] = 255
    for reference, colour in enumerate(TINTS):
        layers_RSS4[reference, ..., :3] = colour
    return replace(maker, library=replace(maker.library, layers_RSS4=layers_RSS4))


def test_a_person_who_does_not_move_is_the_reference_before_the_plate(
    maker: CandidateMaker, actor: PosedActor
):
    candidates = made(maker, actor)
    mask = person_mask(actor.mesh())[..., None] / 255
    wanted = sharpened(actor.reference_HW3) * mask + np.array(PLATE) * (1 - mask)
    apart = np.abs(candidates.head_SS3.astype(int) - wanted)
    assert np.percentile(apart[1:-1, 1:-1], 99.9) <= 4
    assert np.array_equal(candidates.head_SS3, candidates.mouth_SS3)
    assert np.abs(candidates.mask_SS - 255.0 * mask[..., 0])[1:-1, 1:-1].max() <= 8


def test_the_background_stays_while_the_head_moves(maker: CandidateMaker, actor: PosedActor):
    for head_7 in actor.heads(6):
        head_SS3 = made(maker, actor, head_7=head_7, mouth=2, eyes=1).head_SS3
        assert (head_SS3[:8, :40] == PLATE).all()


@pytest.mark.parametrize(("head", "mouth", "eyes"), [(1, 2, 3), (3, 1, 0), (2, 2, 0), (0, 3, 0), (1, 1, 1)])
def test_each_part_is_that_of_its_reference(
    maker: CandidateMaker, actor: PosedActor, head: int, mouth: int, eyes: int
):
    candidates = made(tinted(maker), actor, opening=16, head=head, mouth=mouth, eyes=eyes)
    places = {ring: inside(actor, 16, np.array(ring)) for ring in ((10,), (13, 14), (468,), (473,))}
    for picture, rest in ((candidates.head_SS3, head), (candidates.mouth_SS3, mouth)):
        shown = [tuple(picture[place].tolist()) for place in places.values()]
        assert shown == [TINTS[each] for each in (rest, mouth, eyes, eyes)]


@pytest.mark.parametrize("mouth", [1, 2, 3])
def test_the_mouths_inside_is_that_of_the_mouth(maker: CandidateMaker, actor: PosedActor, mouth: int):
    opening = OPENINGS[mouth]
    row, column = inside(actor, opening, INNER_LIP_RING)
    with_it, without = (made(maker, actor, opening=opening, mouth=each) for each in (mouth, 0))
    colour = np.zeros(3, int)
    colour[mouth - 1] = 255
    assert np.abs(with_it.head_SS3[row, column] - colour).max() < 12
    assert np.abs(without.head_SS3[row, column] - colour).max() > 100
    changed = (with_it.head_SS3 != without.head_SS3).any(axis=-1)
    rows, columns = np.nonzero(changed)
    # Nothing beyond the lips changes.
    assert max(abs(rows - row).max(), abs(columns - column).max()) < 72


@pytest.mark.parametrize("eyes", [1, 3])
def test_eyes_are_those_of_the_eyes(maker: CandidateMaker, actor: PosedActor, eyes: int):
    opening = OPENINGS[eyes]
    with_them, without = (made(maker, actor, opening=opening, eyes=each) for each in (eyes, 0))
    colour = np.zeros(3, int)
    colour[eyes - 1] = 255
    for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
        row, column = inside(actor, opening, ring)
        for picture in (with_them.head_SS3, with_them.mouth_SS3):
            assert np.abs(picture[row, column] - colour).max() < 12
    below = slice(int(actor.mesh()[1, 1]), None)
    assert np.array_equal(with_them.head_SS3[below], without.head_SS3[below])


def test_a_frame_is_the_same_in_any_company(maker: CandidateMaker, actor: PosedActor):
    face = talking(actor, 6)
    _, head_T7 = straightened(face.mesh_TN3, template_N3=actor.canonical_N3)

    def frame(t: int) -> np.ndarray:
        return maker.make(
            mesh_N3=face.mesh_TN3[t],
            head_7=head_T7[t],
            torso_18x3=face.torso_TN3[t],
            references=FrameReferences(
                head=Mixture.only((t + 1) % 4), mouth=Mixture((t % 3, 3), (1, 2)), eyes=Mixture.only(t % 3)
            ),
        ).head_SS3

    forwards = [frame(t) for t in range(6)]
    backwards = [frame(t) for t in reversed(range(6))][::-1]
    assert np.array_equal(np.stack(forwards), np.stack(backwards))
    before = [layer.copy() for layer in maker.library.layers_RSS4]
    assert np.array_equal(np.stack(before), made_references(actor).opened().layers_RSS4)


@pytest.mark.parametrize("part", ["head", "mouth", "eyes"])
def test_a_mixture_is_the_mean_of_its_references_by_their_parts(
    maker: CandidateMaker, actor: PosedActor, part: str
):
    maker = tinted(maker)
    mixed, one, other = (
        made(
            maker,
            actor,
            opening=8.0,
            references=replace(FrameReferences.only(head=1, mouth=1, eyes=1), **{part: mixture}),
        )
        for mixture in (Mixture((1, 2), (1, 2)), Mixture.only(1), Mixture.only(2))
    )
    for name in ("head_SS3", "mouth_SS3", "mask_SS"):
        mean = (getattr(one, name).astype(float) + 2.0 * getattr(other, name)) / 3
        assert np.abs(getattr(mixed, name) - mean).max() <= 2, name
    assert np.abs(one.head_SS3.astype(int) - other.head_SS3).max() > 100


@pytest.mark.parametrize("shift", [(0, 0), (-300, 0), (0, 420)])
@pytest.mark.parametrize(
    "references",
    [
        FrameReferences.only(head=0, mouth=0, eyes=0),
        FrameReferences.only(head=1, mouth=1, eyes=3),
        FrameReferences.only(head=1, mouth=2, eyes=2),
        FrameReferences(
            head=Mixture((0, 1), (3, 2)), mouth=Mixture((1, 3), (1, 2)), eyes=Mixture((0, 2), (1, 1))
        ),
    ],
    ids=["one", "eyes", "mouth", "mixed"],
)
def test_the_best_candidate_is_the_same_alone(
    maker: CandidateMaker, actor: PosedActor, references: FrameReferences, shift: tuple[int, int]
):
    head_7 = actor.heads(6)[5].copy()
    head_7[3:5] += shift
    mesh_N3 = pose(with_mouth(actor.canonical_N3, 9.0)[None], head_7[None])[0]
    for each in (maker, tinted(maker)):
        arguments = {"mesh_N3": mesh_N3, "head_7": head_7, "torso_18x3": actor.torso_18x3}
        whole = each.make(**arguments, references=references).head_SS3
        assert np.array_equal(each.best(**arguments, references=references), whole)


@pytest.mark.parametrize("shift", [(-300, 0), (0, -260), (330, 0), (0, 420), (5000, 5000)])
def test_a_face_that_leaves_the_picture_is_drawn_as_far_as_it_is_seen(
    maker: CandidateMaker, actor: PosedActor, shift: tuple[int, int]
):
    head_7 = actor.head_7.copy()
    head_7[3:5] += shift
    head_SS3 = made(maker, actor, head_7=head_7, opening=16, mouth=2, eyes=2).head_SS3
    assert head_SS3.shape == (512, 512, 3)


def test_before_a_background_that_moves_nothing_is_cut_out(actor: PosedActor):
    restless = replace(still_plate((255, 0, 255)), restless=0.6)
    library = made_references(actor, plate=restless).opened()
    candidates = made(CandidateMaker(library=library, control=actor.control), actor)
    assert (candidates.mask_SS == 255).all()
    apart = np.abs(candidates.head_SS3.astype(int) - sharpened(actor.reference_HW3))
    assert apart[1:-1, 1:-1].max() <= 2


def test_what_resampling_takes_of_the_detail_is_partly_given_back():
    random = np.random.default_rng(0)
    # As fine as a lens and a coder leave a picture.
    picture = (
        cv2.GaussianBlur(random.normal(128, 90, (256, 256, 3)), (0, 0), 0.6).clip(0, 255).astype(np.uint8)
    )
    column_W, row_H1 = np.arange(256, dtype=np.float32), np.arange(256, dtype=np.float32)[:, None]

    def kept(source: np.ndarray) -> float:
        """Mean share of the sharpness over shifts by parts of a pixel."""
        return float(
            np.mean(
                [
                    laplacian_variance(
                        cv2.remap(
                            source,
                            column_W + right + 0 * row_H1,
                            row_H1 + down + 0 * column_W,
                            cv2.INTER_CUBIC,
                        )[8:-8, 8:-8]
                    )
                    for right in (0, 0.25, 0.5, 0.75)
                    for down in (0, 0.25, 0.5, 0.75)
                ]
            )
            / laplacian_variance(picture[8:-8, 8:-8])
        )

    lost, found = kept(picture), kept(sharpened(picture))
    assert lost < 0.85
    assert lost + 0.08 < found < 1.05


def test_an_edge_shows_as_much_of_the_background_as_its_mask_says():
    picture = np.full((1, 256, 256, 3), 200, np.uint8)
    masks = np.arange(256, dtype=np.uint8)[None, None].repeat(256, axis=1)
    library = ReferenceLibrary.of(
        plate=replace(still_plate(), picture_SS3=np.full((256, 256, 3), 50, np.uint8)),
        pictures_RSS3=picture,
        masks_RSS=masks,
        points_RP2=np.zeros((1, 3, 2), np.float32),
        heads_RK=np.zeros((1, 3), np.float32),
        mouths_RK=np.zeros((1, 82), np.float32),
        eyes_RK=np.zeros((1, 86), np.float32),
    )
    shown = over(library.layers_RSS4[0], library.plate.picture_SS3)[0, :, 0]
    wanted = 50 + (200 - 50) * np.arange(256) / 255
    assert np.abs(shown - wanted).max() <= 1


def test_products_of_bytes_are_divided_exactly():
    product = np.multiply.outer(np.arange(256), np.arange(256)).astype(np.uint16)
    assert np.array_equal(divided(product), np.floor(product / 255 + 0.5))


def test_a_part_reaches_as_far_as_its_brush_and_no_further():
    ring_N3 = np.array([(200, 200, 0), (260, 200, 0), (260, 240, 0), (200, 240, 0)], np.float32)
    part = SoftPart.of(ring_N3, growth=17, blur=2.5)
    assert part is not None
    whole = np.zeros((512, 512), np.uint8)
    whole[part.box] = part.share_HW1[..., 0]
    assert whole[220, 230] == 255
    assert (whole[:, :184].max(), whole[:, 276:].max(), whole[:184].max()) == (0, 0, 0)
    assert all(edge % 2 == 0 for side in part.box for edge in (side.start, side.stop))
    assert SoftPart.of(ring_N3 + np.float32(900), growth=17, blur=2.5) is None
