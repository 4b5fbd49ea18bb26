/** A checkpoint that is whole, but of another model than the one that is to be continued. */
import type { StateMismatchError } from '@tesserae/nn';

/** The error that names the folder and says what to do. */
export function foreignCheckpoint(folder: string, cause: StateMismatchError): Error {
  return new Error(
    `${folder} is of another model, so it cannot be continued: ${cause.message} ` +
      'Give the flags that it was trained with, or another --out.',
    { cause },
  );
}
