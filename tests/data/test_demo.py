import numpy as np

from fer_utils.data.demo import FER2013_COUNTS, demo_faces


def test_the_demo_has_fer2013s_proportions_and_is_always_the_same() -> None:
    faces = demo_faces()
    for usage in ("Training", "PublicTest"):
        part = faces.part(usage)
        share = np.bincount(part.labels, minlength=7) / len(part)
        np.testing.assert_allclose(share, FER2013_COUNTS / FER2013_COUNTS.sum(), atol=1 / len(part))
    assert demo_faces().fingerprint == faces.fingerprint
    assert len(np.unique(faces.digests)) == len(faces)
