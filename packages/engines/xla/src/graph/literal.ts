/** Constants as MLIR text. */
import type { ElementType, HostArray } from '../pjrt/element-type.ts';
import { typeText } from './node.ts';

/** One number of a type: floats need a decimal point, and what is not finite is written as bits. */
export function scalarText(value: number, type: ElementType): string {
  if (type === 'i1') return value ? 'true' : 'false';
  if (type === 'i32' || type === 'ui32' || type === 'ui64') return String(Math.trunc(value));
  if (type === 'complex<f32>') return `(${scalarText(value, 'f32')}, ${scalarText(0, 'f32')})`;
  const rounded = Math.fround(value);
  if (Number.isFinite(rounded)) {
    if (Object.is(rounded, -0)) return '-0.0';
    const text = rounded.toExponential();
    return text.includes('.') ? text : text.replace('e', '.0e');
  }
  const bits = {
    f64: ['0x7FF8000000000000', '0x7FF0000000000000', '0xFFF0000000000000'],
    f32: ['0x7FC00000', '0x7F800000', '0xFF800000'],
    bf16: ['0x7FC0', '0x7F80', '0xFF80'],
    f16: ['0x7E00', '0x7C00', '0xFC00'],
  }[type];
  return (Number.isNaN(rounded) ? bits[0] : rounded > 0 ? bits[1] : bits[2]) as string;
}

/** `dense<…> : tensor<…>` with one value everywhere. */
export function splatText(value: number, type: ElementType, shape: readonly number[]): string {
  return `dense<${scalarText(value, type)}> : ${typeText(type, shape)}`;
}

/** `dense<…> : tensor<…>` of host values. */
export function denseText(values: HostArray, type: ElementType, shape: readonly number[]): string {
  const full = typeText(type, shape);
  if (values.length === 0) return `dense<> : ${full}`;
  if (values.length === 1 && type !== 'complex<f32>') return splatText(values[0] as number, type, shape);
  if (type === 'i1')
    return `dense<${nested(
      Array.from(values, (value) => (value ? 'true' : 'false')),
      shape,
    )}> : ${full}`;
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return `dense<"0x${bytes.toString('hex').toUpperCase()}"> : ${full}`;
}

function nested(items: readonly string[], shape: readonly number[]): string {
  if (shape.length <= 1) return `[${items.join(', ')}]`;
  const [first, ...rest] = shape as [number, ...number[]];
  const step = items.length / first;
  return `[${Array.from({ length: first }, (_, i) => nested(items.slice(i * step, (i + 1) * step), rest)).join(', ')}]`;
}
