"""Make the fixture that @tesserae/metrics compares its SSIM and PSNR with.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install scikit-image==0.26.0
    /tmp/peer/bin/python tools/peers/ssim_scikit_image.py > packages/foundation/metrics/src/fixtures/scikit-image.json

Two pairs of small uint8 pictures (a smooth pattern, and the same with integer noise of two strengths), and what
scikit-image says about them after scaling to [-1, 1]: the 11x11 Gaussian window of Wang et al. 2004.
"""

import base64
import json

import numpy
import skimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HEIGHT, WIDTH, CHANNELS = 24, 19, 3

y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(CHANNELS), indexing="ij")
clean = 60 + 6 * x + 3 * y + 20 * c + (x * x + 3 * y * y) % 31
noise = (31 * x + 17 * y + 7 * c + x * y) % 23 - 11
pictures = numpy.clip(numpy.stack([clean, 255 - clean]), 0, 255).astype(numpy.uint8)
others = numpy.clip(numpy.stack([clean + noise, 255 - clean + 4 * noise]), 0, 255).astype(numpy.uint8)


def scale(pixels):
    return pixels.astype(numpy.float64) / 127.5 - 1


ssim = [
    structural_similarity(
        scale(a), scale(b), data_range=2, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    for a, b in zip(pictures, others)
]
psnr = [peak_signal_noise_ratio(scale(a), scale(b), data_range=2) for a, b in zip(pictures, others)]

print(
    json.dumps(
        {
            "source": f"tools/peers/ssim_scikit_image.py, scikit-image {skimage.__version__}, numpy {numpy.__version__}",
            "shape": list(pictures.shape),
            "pictures": base64.b64encode(pictures.tobytes()).decode(),
            "others": base64.b64encode(others.tobytes()).decode(),
            "ssim": [float(v) for v in ssim],
            "psnr": [float(v) for v in psnr],
        },
        indent=1,
    )
)
