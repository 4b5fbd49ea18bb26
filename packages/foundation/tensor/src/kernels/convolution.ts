/**
 * Backward passes of 2-D convolution on the WebAssembly backend, as matrix products and convolutions that XNNPACK has.
 *
 * The backend has no kernel for the filter's gradient, and one at 1.4 GFLOP/s for the input's.
 *
 * Filter: dW[u, v] = sum over pixels of x[pixel s + (u, v) - pad]ᵀ dy[pixel]. The padded input is written once per phase of the
 * stride, transposed to [C, L] with L = batch rows columns of a grid that holds borders too, and dy is put on the same
 * grid with zeros elsewhere. A tap of the filter is then a *shift* along L: the same block read a few floats later. So
 * each tap is one product [C, L] [L, K] without a copy, and dy is packed once for all taps. Images are taken in groups
 * that keep L near a thousand, where all of this stays in the cache; longer sums run at a third of the speed.
 *
 * Input, stride 1: the convolution of dy with the filter turned by 180 degrees. Other strides: the product of dy with
 * the filter gives each pixel's contributions, which are added where they belong, some images at a time.
 */
import * as tf from '@tensorflow/tfjs-core';
import { addressOf, floats, multiply, sizeOf, withView, type KernelArgs, type WasmBackend } from './wasmBackend.ts';

/** Largest block of contributions kept at once, in floats. */
const workspace = 4 << 20;

/** Grid cells that a group of images has at least, unless there are no more images. */
const groupLength = 768;

type ConvInfo = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

function convInfo(attrs: KernelArgs['attrs'], inShape: readonly number[], filterShape: readonly number[]): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs['strides'] as [number, number],
    1,
    attrs['pad'] as 'same',
    attrs['dimRoundingMode'] as 'floor',
    false,
    tf.backend_util.convertConv2DDataFormat((attrs['dataFormat'] ?? 'NHWC') as 'NHWC'),
  );
}

/** Conv2DBackpropFilter: x [B, H, W, C], dy [B, H', W', K] -> [kh, kw, C, K]. NHWC only. */
export function conv2dBackpropFilter({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
  const filterShape = attrs['filterShape'] as number[];
  const info = convInfo(attrs, x.shape, filterShape);
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels, outChannels } = info;
  const dw = backend.makeOutput(filterShape, 'float32');
  if (sizeOf(x.shape) === 0 || sizeOf(dy.shape) === 0) {
    floats(backend, dw).fill(0);
    return dw;
  }
  // Taps of one phase reach this many grid cells beyond a pixel.
  const reach = [Math.ceil(filterHeight / strideHeight) - 1, Math.ceil(filterWidth / strideWidth) - 1] as const;
  const grid = { rows: info.outHeight + reach[0], columns: info.outWidth + reach[1] };
  const cells = grid.rows * grid.columns;
  const group = Math.min(info.batchSize, Math.ceil(groupLength / cells));
  const slack = reach[0] * grid.columns + reach[1];

  const spread = backend.makeOutput([group * cells, outChannels], 'float32');
  // The last row is read up to `slack` floats past its end, where dy's grid is zero.
  const phase = backend.makeOutput([inChannels * group * cells + slack], 'float32');
  const partial = backend.makeOutput(filterShape, 'float32');
  floats(backend, phase).fill(0);
  floats(backend, dw).fill(0);
  for (let first = 0; first < info.batchSize; first += group) {
    const images = { first, count: Math.min(group, info.batchSize - first) };
    const length = images.count * cells;
    // Arrays are taken anew each time: a product may allocate, and move the heap.
    putOnGrid(floats(backend, dy), floats(backend, spread), info, grid, images);
    withView(backend, addressOf(backend, spread), [1, length, outChannels], (right) => {
      for (let row = 0; row < Math.min(strideHeight, filterHeight); row++) {
        for (let column = 0; column < Math.min(strideWidth, filterWidth); column++) {
          transposePhase(floats(backend, x), floats(backend, phase), info, grid, images, row, column);
          for (let u = row; u < filterHeight; u += strideHeight) {
            for (let v = column; v < filterWidth; v += strideWidth) {
              const shift = ((u - row) / strideHeight) * grid.columns + (v - column) / strideWidth;
              const tap = (u * filterWidth + v) * inChannels * outChannels;
              withView(backend, addressOf(backend, phase) + 4 * shift, [1, inChannels, length], (left) =>
                withView(backend, addressOf(backend, partial) + 4 * tap, [1, inChannels, outChannels], (out) =>
                  multiply(backend, left, right, out),
                ),
              );
            }
          }
        }
      }
    });
    const [sums, part] = [floats(backend, dw), floats(backend, partial)];
    for (let i = 0; i < sums.length; i++) (sums[i] as number) += part[i] as number;
  }
  for (const t of [partial, phase, spread]) backend.disposeData(t.dataId);
  return dw;
}

interface Images {
  readonly first: number;
  readonly count: number;
}

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Copies dy to a grid with zeros in the cells that are no output pixel. [count, H', W', K] -> [count, rows, columns, K] */
function putOnGrid(dy: Float32Array, out: Float32Array, info: ConvInfo, grid: Grid, images: Images): void {
  const { outHeight, outWidth, outChannels } = info;
  const line = outWidth * outChannels;
  const gridLine = grid.columns * outChannels;
  let read = images.first * outHeight * line;
  let write = 0;
  for (let image = 0; image < images.count; image++) {
    for (let row = 0; row < grid.rows; row++, write += gridLine) {
      if (row < outHeight) {
        out.set(dy.subarray(read, read + line), write);
        out.fill(0, write + line, write + gridLine);
        read += line;
      } else {
        out.fill(0, write, write + gridLine);
      }
    }
  }
}

/**
 * Writes the padded input at every stride-th row and column, starting at (`row`, `column`), with channels first.
 *
 * Shapes: x [count, H, W, C] -> [C, count, grid rows, grid columns].
 */
function transposePhase(
  x: Float32Array,
  out: Float32Array,
  info: ConvInfo,
  grid: Grid,
  images: Images,
  row: number,
  column: number,
): void {
  const { inHeight, inWidth, inChannels, strideHeight, strideWidth, padInfo } = info;
  const length = images.count * grid.rows * grid.columns;
  for (let image = 0; image < images.count; image++) {
    for (let i = 0; i < grid.rows; i++) {
      const y = i * strideHeight + row - padInfo.top;
      const start = (image * grid.rows + i) * grid.columns;
      if (y < 0 || y >= inHeight) {
        for (let c = 0; c < inChannels; c++) out.fill(0, c * length + start, c * length + start + grid.columns);
        continue;
      }
      const line = ((images.first + image) * inHeight + y) * inWidth;
      // First and one past the last grid column whose pixel lies inside the image.
      const low = Math.min(grid.columns, Math.max(0, Math.ceil((padInfo.left - column) / strideWidth)));
      const high = Math.min(
        grid.columns,
        Math.max(low, Math.floor((inWidth - 1 + padInfo.left - column) / strideWidth) + 1),
      );
      const step = strideWidth * inChannels;
      for (let c = 0; c < inChannels; c++) {
        const to = c * length + start;
        for (let j = 0; j < low; j++) out[to + j] = 0;
        let from = (line + low * strideWidth + column - padInfo.left) * inChannels + c;
        for (let j = low; j < high; j++) {
          out[to + j] = x[from] as number;
          from += step;
        }
        for (let j = high; j < grid.columns; j++) out[to + j] = 0;
      }
    }
  }
}

/** Whether dy has the shape that the forward pass would have given it; some callers of conv2dTranspose do without. */
export function hasForwardShape({ inputs, attrs }: KernelArgs): boolean {
  const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
  return tf.util.arraysEqual(convInfo(attrs, attrs['inputShape'] as number[], filter.shape).outShape, dy.shape);
}

/** Conv2DBackpropInput: dy [B, H', W', K], filter [kh, kw, C, K] -> [B, H, W, C]. NHWC only. */
export function conv2dBackpropInput({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
  const inputShape = attrs['inputShape'] as number[];
  const info = convInfo(attrs, inputShape, filter.shape);
  const { filterHeight, filterWidth, padInfo } = info;
  const empty = sizeOf(dy.shape) === 0 || sizeOf(inputShape) === 0;
  const plain = info.strideHeight === 1 && info.strideWidth === 1;
  // Turned around, the border is what the filter reached outside the image before.
  const pads = {
    top: filterHeight - 1 - padInfo.top,
    left: filterWidth - 1 - padInfo.left,
    bottom: info.inHeight - info.outHeight + padInfo.top,
    right: info.inWidth - info.outWidth + padInfo.left,
  };
  if (!empty && plain && Math.min(pads.top, pads.left, pads.bottom, pads.right) >= 0) {
    return turnedConvolution(dy, filter, pads, backend);
  }
  const dx = backend.makeOutput(inputShape, 'float32');
  floats(backend, dx).fill(0);
  if (!empty) addContributions(dx, dy, filter, info, backend);
  return dx;
}

interface Pads {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function turnedConvolution(dy: tf.TensorInfo, filter: tf.TensorInfo, pads: Pads, backend: WasmBackend): tf.TensorInfo {
  const [height = 1, width = 1, channels = 1, outChannels = 1] = filter.shape;
  const turned = backend.makeOutput([height, width, outChannels, channels], 'float32');
  const from = floats(backend, filter);
  const to = floats(backend, turned);
  const taps = height * width;
  for (let tap = 0; tap < taps; tap++) {
    const read = tap * channels * outChannels;
    const write = (taps - 1 - tap) * channels * outChannels;
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < outChannels; k++) to[write + k * channels + c] = from[read + c * outChannels + k] as number;
    }
  }
  const pad = [
    [0, 0],
    [pads.top, pads.bottom],
    [pads.left, pads.right],
    [0, 0],
  ];
  const attrs = { strides: [1, 1], pad, dataFormat: 'NHWC', dilations: [1, 1] };
  const dx = tf.getKernel('Conv2D', 'wasm').kernelFunc({
    inputs: { x: dy, filter: turned },
    attrs: attrs as unknown as tf.NamedAttrMap,
    backend,
  }) as tf.TensorInfo;
  backend.disposeData(turned.dataId);
  return dx;
}

/** dx += the contributions of each pixel of dy, [pixels, K] [K, kh kw C], for as many images as fit the workspace. */
function addContributions(
  dx: tf.TensorInfo,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  info: ConvInfo,
  backend: WasmBackend,
): void {
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const taps = filterHeight * filterWidth;
  const pixels = outHeight * outWidth;
  const width = taps * inChannels;
  // [kh, kw, C, K] -> [K, kh kw C]
  const weights = backend.makeOutput([1, outChannels, width], 'float32');
  const from = floats(backend, filter);
  const to = floats(backend, weights);
  for (let row = 0; row < width; row++) {
    for (let k = 0; k < outChannels; k++) to[k * width + row] = from[row * outChannels + k] as number;
  }
  const images = Math.max(1, Math.min(batchSize, Math.floor(workspace / (pixels * width))));
  const block = backend.makeOutput([images * pixels * width], 'float32');
  for (let first = 0; first < batchSize; first += images) {
    const count = Math.min(images, batchSize - first);
    const rows = count * pixels;
    withView(backend, addressOf(backend, dy) + 4 * first * pixels * outChannels, [1, rows, outChannels], (a) =>
      withView(backend, addressOf(backend, block), [1, rows, width], (out) => multiply(backend, a, weights, out)),
    );
    scatterTaps(floats(backend, block), floats(backend, dx), info, first, count);
  }
  backend.disposeData(block.dataId);
  backend.disposeData(weights.dataId);
}

/** Adds contributions [count, H', W', kh, kw, C] into dx [B, H, W, C], starting at image `first`. */
function scatterTaps(block: Float32Array, dx: Float32Array, info: ConvInfo, first: number, count: number): void {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { strideHeight, strideWidth, padInfo } = info;
  let read = 0;
  for (let image = first; image < first + count; image++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        for (let u = 0; u < filterHeight; u++) {
          const y = i * strideHeight + u - padInfo.top;
          for (let v = 0; v < filterWidth; v++, read += inChannels) {
            const x = j * strideWidth + v - padInfo.left;
            if (y < 0 || y >= inHeight || x < 0 || x >= inWidth) continue;
            const write = ((image * inHeight + y) * inWidth + x) * inChannels;
            for (let c = 0; c < inChannels; c++) (dx[write + c] as number) += block[read + c] as number;
          }
        }
      }
    }
  }
}
