/** One wheel, pinned: nothing else of that name is accepted. */
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

/**
 * The pin of a wheel whose file name follows from project, version and tags.
 *
 * @param tags Python, ABI and platform tag with the ending: `py3-none-manylinux_2_27_x86_64.whl`
 */
export function wheelPin(project: string, version: string, tags: string, bytes: number, sha256: string): WheelPin {
  return { project, version, file: `${project.replaceAll('-', '_')}-${version}-${tags}`, bytes, sha256 };
}
