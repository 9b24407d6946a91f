"""Print what it costs to move references of a subject to a mesh: `python -m benchmarks.warp_time [--rounds N]`.

Milliseconds of one core at 512 px, the median over the rounds: control points, raster, and for each reference its field
and the cubic remap; then a frame with two references. A digital actor's head turns from round to round.
"""

from __future__ import annotations

import argparse
import sys
import time

import cv2
import numpy as np

from stages.builtin import builtin_subject
from stages.geometry.canonical import CANVAS, pose
from stages.subject.package import SubjectPackage
from stages.warp.control_mesh import ControlMesh

_STEPS = ("points", "raster", "field", "remap")


def measure(rounds: int) -> dict[str, float]:
    """Median milliseconds of each step."""
    subject = SubjectPackage.load(builtin_subject("actor-a"))
    template = subject.template
    scaled_HW3 = cv2.resize(subject.reference_HW3, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    picture_HW3 = np.asarray(scaled_HW3, dtype=np.uint8)
    control = ControlMesh.of(
        canonical_N3=template.mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3
    )
    mesh_N3 = pose(template.mesh_N3[None], template.head_7[None])[0]
    source_P2 = control.points(mesh_N3=mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3)
    spent = []
    for turn in np.linspace(-12, 12, rounds):
        head_7 = template.head_7 + np.array([turn, turn / 2, 0, turn, 0, 0, 0], dtype=np.float32)
        mesh_N3 = pose(template.mesh_N3[None], head_7[None])[0]
        moments = [time.thread_time()]
        points_P2 = control.points(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=template.torso_N3)
        moments.append(time.thread_time())
        raster = control.raster(points_P2, depth_N=mesh_N3[:, 2])
        moments.append(time.thread_time())
        field = raster.field_from(source_P2)
        moments.append(time.thread_time())
        field.move(picture_HW3)
        moments.append(time.thread_time())
        spent.append(np.diff(moments))
    return dict(zip(_STEPS, (1e3 * np.median(spent, axis=0)).tolist(), strict=True))


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100, help="poses to move to")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    spent = measure(options.rounds)
    for step, milliseconds in spent.items():
        sys.stdout.write(f"{step}: {milliseconds:.2f} ms\n")
    whole = spent["points"] + spent["raster"] + 2 * (spent["field"] + spent["remap"])
    sys.stdout.write(f"two references: {whole:.2f} ms\n")


if __name__ == "__main__":
    main()
