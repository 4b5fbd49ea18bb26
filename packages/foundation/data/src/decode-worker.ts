/** The other side of `DecodePool`: decodes one file for each message. */
import { parentPort, workerData } from 'node:worker_threads';
import { decodePicture, type DecodeSettings } from './decode.ts';

const port = parentPort;
if (!port) throw new Error('decode-worker runs in a worker thread only');

port.on('message', (file: string) => {
  void decodePicture(file, workerData as DecodeSettings).then((decoded) => {
    port.postMessage(decoded, decoded.ok ? [decoded.pixels.buffer] : []);
  });
});
