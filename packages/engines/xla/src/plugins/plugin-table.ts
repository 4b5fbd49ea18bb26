/**
 * The PJRT plugins that can be installed: which wheels each one is made of, pinned to a version, a size and a SHA-256.
 *
 * A plugin is data, not a dependency: XLA's PJRT shared library travels inside Python wheels (a wheel is a zip), and
 * the CUDA plugin needs NVIDIA's libraries, which are wheels too. The sets come from the requirements of
 * `jax-cudaNN-plugin[with-cuda]`; the CUDA 13 versions are those of the machine that the engine was tested on (H100,
 * driver 580). Files keep the layout of a `site-packages` folder, because the plugin looks for its libraries, for
 * `ptxas` and for `libdevice` relative to itself.
 *
 * To move to another version: change the row; `bytes` and `sha256` stand on the index's page of the project.
 */
import { CUDA12_WHEELS, wheelPin as wheel, type WheelPin } from '@tesserae/downloads';

/** One set of wheels that together hold a plugin. */
export interface PluginBuild {
  /** Version of the wheel that holds the plugin itself. */
  readonly version: string;
  /** The plugin's shared library, relative to the unpacked folder. */
  readonly library: string;
  readonly wheels: readonly WheelPin[];
}

/** The name of an installable plugin, as in `tesserae engine install NAME`. */
export type PluginName = 'cpu' | 'cuda13' | 'cuda12';

/** The kind of device that a plugin drives. */
export type PluginPlatform = 'cpu' | 'cuda';

/** An installable plugin: builds in order of preference, each usable alone. */
export interface PluginPin {
  readonly name: PluginName;
  readonly platform: PluginPlatform;
  readonly builds: readonly PluginBuild[];
}

// prettier-ignore
const cuda13Wheels: readonly WheelPin[] = [
  wheel('jax-cuda13-pjrt', '0.11.2', 'py3-none-manylinux_2_27_x86_64.whl', 134162640, 'e5ff589d43064913bb74027682d89639c7ea48f9f81c2bae6fc75117e913f93e'),
  wheel('nvidia-cublas', '13.1.0.3', 'py3-none-manylinux_2_27_x86_64.whl', 423133236, 'ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171'),
  wheel('nvidia-cuda-cupti', '13.0.85', 'py3-none-manylinux_2_25_x86_64.whl', 10715597, '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8'),
  wheel('nvidia-cuda-nvcc', '13.0.88', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 37384532, '56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03'),
  wheel('nvidia-nvvm', '13.0.88', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 61601415, 'c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0'),
  wheel('nvidia-cuda-nvrtc', '13.0.88', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 90215200, 'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575'),
  wheel('nvidia-cuda-runtime', '13.0.96', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 2243632, '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548'),
  wheel('nvidia-cudnn-cu13', '9.19.0.56', 'py3-none-manylinux_2_27_x86_64.whl', 366066321, 'd20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf'),
  wheel('nvidia-cufft', '12.0.0.61', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 214085489, '6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3'),
  wheel('nvidia-cusolver', '12.0.4.66', 'py3-none-manylinux_2_27_x86_64.whl', 200941980, '0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112'),
  wheel('nvidia-cusparse', '12.6.3.3', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 145942937, '2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b'),
  wheel('nvidia-nccl-cu13', '2.28.9', 'py3-none-manylinux_2_18_x86_64.whl', 196493177, 'e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42'),
  wheel('nvidia-nvjitlink', '13.0.88', 'py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl', 40713933, '13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b'),
  wheel('nvidia-nvshmem-cu13', '3.4.5', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 60412546, '290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80'),
];

// prettier-ignore
const cuda12Wheels: readonly WheelPin[] = [
  wheel('jax-cuda12-pjrt', '0.11.2', 'py3-none-manylinux_2_27_x86_64.whl', 188235313, '2133b3afc63307c016ae4980f166b2b3de199759363ead74f7d550eaae953463'),
  ...CUDA12_WHEELS,
  wheel('nvidia-nvshmem-cu12', '3.4.5', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl', 139103095, '042f2500f24c021db8a06c5eec2539027d57460e1c1a762055a6554f72c369bd'),
];

const fastatomstruct = wheel(
  'fastatomstruct-xla-cpu',
  '2026.6.23',
  'py3-none-manylinux_2_27_x86_64.whl',
  63200622,
  '88b1c430b341b4bea40a37420311c9c75db6e22b46d2ff95b6986577bee6afe9',
);

const lammps = wheel(
  'lammps-jax-pjrt-cpu',
  '0.11.2',
  'py3-none-manylinux_2_27_x86_64.whl',
  62711338,
  '1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1',
);

/** Every installable plugin. All builds are for Linux on x86-64 with glibc 2.28 or newer. */
export const PLUGINS: Readonly<Record<PluginName, PluginPin>> = {
  cpu: {
    name: 'cpu',
    platform: 'cpu',
    builds: [
      // PJRT API 0.115. Newer and faster: it can run programs on the calling thread, and sums over products are quick.
      { version: lammps.version, library: 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so', wheels: [lammps] },
      // An unmodified upstream build, PJRT API 0.106.
      { version: fastatomstruct.version, library: 'fastatomstruct_xla_cpu/libpjrt_cpu.so', wheels: [fastatomstruct] },
    ],
  },
  cuda13: {
    name: 'cuda13',
    platform: 'cuda',
    builds: [{ version: '0.11.2', library: 'jax_plugins/xla_cuda13/xla_cuda_plugin.so', wheels: cuda13Wheels }],
  },
  cuda12: {
    name: 'cuda12',
    platform: 'cuda',
    builds: [{ version: '0.11.2', library: 'jax_plugins/xla_cuda12/xla_cuda_plugin.so', wheels: cuda12Wheels }],
  },
};
