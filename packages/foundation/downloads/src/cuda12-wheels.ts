/**
 * NVIDIA's CUDA 12 libraries as wheels, pinned: what the CUDA builds of XLA and of TensorFlow both ask for. They unpack to
 * `nvidia/<part>/lib`, and nothing of them is opened here.
 */
import { wheelPin as wheel, type WheelPin } from './wheel-pin.ts';

/** The libraries of CUDA 12.9 with cuDNN 9 and NCCL. */
// prettier-ignore
export const CUDA12_WHEELS: readonly WheelPin[] = [
  wheel('nvidia-cublas-cu12', '12.9.1.4', 'py3-none-manylinux_2_27_x86_64.whl', 581242350, '453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2'),
  wheel('nvidia-cuda-cupti-cu12', '12.9.79', 'py3-none-manylinux_2_25_x86_64.whl', 10814997, '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f'),
  wheel('nvidia-cuda-nvcc-cu12', '12.9.86', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 40546229, '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0'),
  wheel('nvidia-cuda-nvrtc-cu12', '12.9.86', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 89568129, '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'),
  wheel('nvidia-cuda-runtime-cu12', '12.9.79', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 3493179, '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'),
  wheel('nvidia-cudnn-cu12', '9.19.0.56', 'py3-none-manylinux_2_27_x86_64.whl', 657906812, 'ac6ad90a075bb33a94f2b4cf4622eac13dd4dc65cf6dd9c7572a318516a36625'),
  wheel('nvidia-cufft-cu12', '11.4.1.4', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 200877592, 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'),
  wheel('nvidia-cusolver-cu12', '11.7.5.82', 'py3-none-manylinux_2_27_x86_64.whl', 338117415, '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'),
  wheel('nvidia-cusparse-cu12', '12.5.10.65', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 366465088, '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'),
  wheel('nvidia-nccl-cu12', '2.28.9', 'py3-none-manylinux_2_18_x86_64.whl', 296782137, '485776daa8447da5da39681af455aa3b2c2586ddcf4af8772495e7c532c7e5ab'),
  wheel('nvidia-nvjitlink-cu12', '12.9.86', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 39748338, 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'),
];
