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

/** One wheel of a plugin. */
export interface WheelPin {
  /** The project's name on a Python package index. */
  readonly project: string;
  readonly version: string;
  /** The exact file name, as the index lists it. */
  readonly file: string;
  /** Size of the wheel in bytes. */
  readonly bytes: number;
  /** SHA-256 of the wheel, lower-case hexadecimal. */
  readonly sha256: string;
}

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

function wheel(project: string, version: string, tags: string, bytes: number, sha256: string): WheelPin {
  return { project, version, file: `${project.replaceAll('-', '_')}-${version}-${tags}`, bytes, sha256 };
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
      // An unmodified upstream build, PJRT API 0.106.
      { version: fastatomstruct.version, library: 'fastatomstruct_xla_cpu/libpjrt_cpu.so', wheels: [fastatomstruct] },
      // PJRT API 0.115.
      { version: lammps.version, library: 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so', wheels: [lammps] },
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
