import { defineConfig } from 'tsdown';
import { shared } from '../../../tsdown.shared.ts';

// The decode worker is opened by its file name, so nothing imports it.
export default defineConfig({ ...shared, entry: ['src/index.ts', 'src/decode-worker.ts'] });
