/** What can be wrong with a file of tensors. */

/** A file that is not valid safetensors, or not the one that was asked for: names the file and what is wrong. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}
