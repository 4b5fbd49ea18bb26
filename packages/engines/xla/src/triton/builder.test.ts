/** The builder: the text of small kernels, what they compute when interpreted, and the mistakes that it finds. */
import { describe, expect, test } from 'vitest';
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import { KernelBuilder } from './builder.ts';
import { blocksOf, powerOfTwo, tritonCall } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import { printKernel } from './printer.ts';
import type { Value } from './value.ts';
import { interpret } from './testing/interpret.ts';

/** y = x + 1 on 10 elements by programs of 8. */
function plusOne(): Kernel<Value> {
  const b = new KernelBuilder('plus_one');
  const [x, y] = [b.pointer('f32'), b.pointer('f32')];
  const at = b.programId('x').mul(8).add(b.range(8));
  const inside = at.lt(10);
  b.store(y.offset(at), b.load(x.offset(at), inside).add(1), inside);
  return b.build();
}

test('prints a masked load and store', () => {
  expect(printKernel(plusOne())).toMatchInlineSnapshot(`
    "module {
      tt.func public @plus_one(%0: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %1: !tt.ptr<f32> {tt.divisibility = 16 : i32}) attributes {noinline = false} {
        %2 = tt.get_program_id x : i32
        %3 = arith.constant 8 : i32
        %4 = arith.muli %2, %3 : i32
        %5 = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>
        %6 = tt.splat %4 : i32 -> tensor<8xi32>
        %7 = arith.addi %6, %5 : tensor<8xi32>
        %8 = arith.constant dense<10> : tensor<8xi32>
        %9 = arith.cmpi slt, %7, %8 : tensor<8xi32>
        %10 = tt.splat %1 : !tt.ptr<f32> -> tensor<8x!tt.ptr<f32>>
        %11 = tt.addptr %10, %7 : tensor<8x!tt.ptr<f32>>, tensor<8xi32>
        %12 = tt.splat %0 : !tt.ptr<f32> -> tensor<8x!tt.ptr<f32>>
        %13 = tt.addptr %12, %7 : tensor<8x!tt.ptr<f32>>, tensor<8xi32>
        %14 = arith.constant dense<0.0e+0> : tensor<8xf32>
        %15 = tt.load %13, %9, %14 : tensor<8x!tt.ptr<f32>>
        %16 = arith.constant dense<1.0e+0> : tensor<8xf32>
        %17 = arith.addf %15, %16 : tensor<8xf32>
        tt.store %11, %17, %9 : tensor<8x!tt.ptr<f32>>
        tt.return
      }
    }
    "
  `);
});

test('prints loops, branches, reductions, scans and dots', () => {
  const b = new KernelBuilder('mixed');
  const [x, y] = [b.pointer('bf16'), b.pointer('f32')];
  const lines = b.range(16);
  const at = lines.expand(1).mul(16).add(lines.expand(0));
  const tile = b.load(x.offset(at));
  const [sum] = b.for(0, b.programId('y'), 2, [b.full(0, 'f32', [16, 16])], (_, [total]) => [
    b.dot(tile, tile.transpose(), total as Value),
  ]);
  const [running] = b.scan([sum as Value], 0, ([a], [c]) => [(a as Value).max(c as Value)]);
  const [least, place] = b.argmin(running as Value, lines.expand(0).broadcastTo([16, 16]), 1);
  const [chosen] = b.if(
    b.programId('x').eq(0),
    () => [least.exp2()],
    () => [place.to('f32')],
  );
  b.store(y.offset(lines), chosen as Value);
  expect(printKernel(b.build())).toMatchInlineSnapshot(`
    "module {
      tt.func public @mixed(%0: !tt.ptr<bf16> {tt.divisibility = 16 : i32}, %1: !tt.ptr<f32> {tt.divisibility = 16 : i32}) attributes {noinline = false} {
        %2 = tt.make_range {end = 16 : i32, start = 0 : i32} : tensor<16xi32>
        %3 = tt.expand_dims %2 {axis = 1 : i32} : tensor<16xi32> -> tensor<16x1xi32>
        %4 = arith.constant dense<16> : tensor<16x1xi32>
        %5 = arith.muli %3, %4 : tensor<16x1xi32>
        %6 = tt.expand_dims %2 {axis = 0 : i32} : tensor<16xi32> -> tensor<1x16xi32>
        %7 = tt.broadcast %5 : tensor<16x1xi32> -> tensor<16x16xi32>
        %8 = tt.broadcast %6 : tensor<1x16xi32> -> tensor<16x16xi32>
        %9 = arith.addi %7, %8 : tensor<16x16xi32>
        %10 = tt.splat %0 : !tt.ptr<bf16> -> tensor<16x16x!tt.ptr<bf16>>
        %11 = tt.addptr %10, %9 : tensor<16x16x!tt.ptr<bf16>>, tensor<16x16xi32>
        %12 = tt.load %11 : tensor<16x16x!tt.ptr<bf16>>
        %13 = tt.get_program_id y : i32
        %14 = arith.constant dense<0.0e+0> : tensor<16x16xf32>
        %15 = arith.constant 0 : i32
        %16 = arith.constant 2 : i32
        %21 = scf.for %17 = %15 to %13 step %16 iter_args(%18 = %14) -> (tensor<16x16xf32>)  : i32 {
          %19 = tt.trans %12 {order = array<i32: 1, 0>} : tensor<16x16xbf16> -> tensor<16x16xbf16>
          %20 = tt.dot %12, %19, %18, inputPrecision = ieee : tensor<16x16xbf16> * tensor<16x16xbf16> -> tensor<16x16xf32>
          scf.yield %20 : tensor<16x16xf32>
        }
        %25 = "tt.scan"(%21) <{axis = 0 : i32, reverse = false}> ({
        ^bb0(%22: f32, %23: f32):
          %24 = arith.maxnumf %22, %23 : f32
          tt.scan.return %24 : f32
        }) : (tensor<16x16xf32>) -> (tensor<16x16xf32>)
        %26 = tt.expand_dims %2 {axis = 0 : i32} : tensor<16xi32> -> tensor<1x16xi32>
        %27 = tt.broadcast %26 : tensor<1x16xi32> -> tensor<16x16xi32>
        %39:2 = "tt.reduce"(%25, %27) <{axis = 1 : i32}> ({
        ^bb0(%28: f32, %29: i32, %30: f32, %31: i32):
          %32 = arith.cmpf olt, %28, %30 : f32
          %33 = arith.cmpf oeq, %28, %30 : f32
          %34 = arith.cmpi slt, %29, %31 : i32
          %35 = arith.andi %33, %34 : i1
          %36 = arith.ori %32, %35 : i1
          %37 = arith.select %36, %28, %30 : i1, f32
          %38 = arith.select %36, %29, %31 : i1, i32
          tt.reduce.return %37, %38 : f32, i32
        }) : (tensor<16x16xf32>, tensor<16x16xi32>) -> (tensor<16xf32>, tensor<16xi32>)
        %41 = tt.get_program_id x : i32
        %42 = arith.constant 0 : i32
        %43 = arith.cmpi eq, %41, %42 : i32
        %46 = scf.if %43 -> (tensor<16xf32>) {
          %44 = math.exp2 %39#0 : tensor<16xf32>
          scf.yield %44 : tensor<16xf32>
        } else {
          %45 = arith.sitofp %39#1 : tensor<16xi32> to tensor<16xf32>
          scf.yield %45 : tensor<16xf32>
        }
        %47 = tt.splat %1 : !tt.ptr<f32> -> tensor<16x!tt.ptr<f32>>
        %48 = tt.addptr %47, %2 : tensor<16x!tt.ptr<f32>>, tensor<16xi32>
        tt.store %48, %46 : tensor<16x!tt.ptr<f32>>
        tt.return
      }
    }
    "
  `);
});

describe('interpreted', () => {
  test('programs of a grid write their parts', () => {
    const y = new Float32Array(10);
    interpret(plusOne(), [2, 1, 1], [Float32Array.from({ length: 10 }, (_, i) => i), y]);
    expect([...y]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('an unmasked access beyond the buffer is an error', () => {
    const b = new KernelBuilder('beyond');
    const x = b.pointer('f32');
    b.store(x.offset(b.range(16)), b.full(1, 'f32', [16]));
    expect(() => interpret(b.build(), [1, 1, 1], [new Float32Array(15)])).toThrow('outside 0…15');
  });

  test('scan, reverse scan and argmin with ties', () => {
    const b = new KernelBuilder('scans');
    const [x, up, down, place] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32'), b.pointer('i32')];
    const at = b.range(4);
    const values = b.load(x.offset(at));
    const plus = ([a]: readonly Value[], [c]: readonly Value[]): Value[] => [(a as Value).add(c as Value)];
    b.store(up.offset(at), b.scan([values], 0, plus)[0] as Value);
    b.store(down.offset(at), b.scan([values], 0, plus, true)[0] as Value);
    b.store(place, b.argmin(values, at, 0)[1]);
    const [rising, falling, found] = [new Float32Array(4), new Float32Array(4), new Int32Array(1)];
    interpret(b.build(), [1, 1, 1], [Float32Array.of(3, 1, 1, 2), rising, falling, found]);
    expect([...rising]).toEqual([3, 4, 5, 7]);
    expect([...falling]).toEqual([7, 4, 3, 2]);
    expect([...found]).toEqual([1]);
  });
});

describe('finds mistakes when the kernel is built', () => {
  const b = new KernelBuilder('wrong');
  const pointer = b.pointer('f32');
  const range = b.range(16);
  const matrix = b.full(0, 'f32', [16, 16]);

  test.each<[string, () => unknown, string]>([
    ['element types', () => range.add(b.full(1, 'f32')), 'tensor<16xi32> and f32'],
    ['shapes', () => range.add(b.range(32)), 'shapes [16] and [32]'],
    ['ranks', () => range.add(range.expand(0)), 'shapes [16] and [1, 16]'],
    ['ranges', () => b.range(12), 'length 12 is not a power of two'],
    ['integers', () => range.add(0.5), '0.5 is no integer'],
    ['logic of floats', () => matrix.and(matrix), 'needs integers'],
    ['exponentials of integers', () => range.exp2(), 'needs floats'],
    ['conditions', () => range.select(1, range), 'needs an i1 condition'],
    ['loads', () => b.load(range), 'needs pointers'],
    ['masks', () => b.load(pointer.offset(range), range), 'i1 is needed'],
    ['stores', () => b.store(pointer.offset(range), range), 'a tensor<16xi32> at tensor<16x!tt.ptr<f32>>'],
    ['pointers', () => pointer.add(1), 'none of !tt.ptr<f32>'],
    ['offsets', () => pointer.offset(matrix), 'needs i32 elements'],
    ['dots', () => b.dot(matrix, b.full(0, 'f32', [32, 16]), matrix), 'tensor<16x16xf32> and tensor<32x16xf32>'],
    ['sums of dots', () => b.dot(matrix, matrix, b.full(0, 'bf16', [16, 16])), 'must be tensor<16x16xf32>'],
    ['small dots', () => b.dot(b.full(0, 'f32', [8, 16]), matrix, b.full(0, 'f32', [8, 16])), 'at least 16x16'],
    ['axes', () => b.sum(matrix, 2), 'axis 2 of tensor<16x16xf32>'],
    ['bounds', () => b.for(0, b.full(1, 'f32'), 1, [], () => []), 'bounds are i32'],
    [
      'carried values',
      () => b.for(0, 1, 1, [range], () => [matrix]),
      '(tensor<16xi32>), but it gives (tensor<16x16xf32>)',
    ],
    [
      'branches',
      () =>
        b.if(
          b.full(1, 'i1'),
          () => [range],
          () => [],
        ),
      'must give (tensor<16xi32>)',
    ],
    ['conversions', () => range.to('i1'), 'cannot convert'],
    ['late parameters', () => b.pointer('f32'), 'before the first operation'],
    ['names', () => new KernelBuilder('a b'), 'no identifier'],
    ['broadcasts', () => range.broadcastTo([32]), 'cannot become [32]'],
    ['transposes', () => range.transpose(), 'needs a matrix'],
  ])('%s', (_, build, message) => {
    expect(build).toThrow(message);
  });

  test('a value used after its loop', () => {
    let inner: Value | undefined;
    b.for(0, 2, 1, [], (i) => {
      inner = i.add(1);
      return [];
    });
    expect(() => (inner as Value).add(1)).toThrow('of a block that has ended');
  });
});

describe('custom call', () => {
  const launch = { kernel: plusOne(), grid: [2, 1, 1] as const, warps: 1, stages: 1 };
  const result = { type: 'f32' as const, shape: [10] };

  test('holds the text as a string of MLIR', () => {
    const x = new Node('f32', [10]);
    const { text } = writeModule(tritonCall(launch, [x], [result]), { name: 'call' });
    expect(text).toContain('call_target_name = "__gpu$xla.gpu.triton"');
    expect(text).toContain(
      'grid_x = 2 : i32, grid_y = 1 : i32, grid_z = 1 : i32, ir = "module {\\0A  tt.func public @plus_one(',
    );
    expect(text).toContain('name = "plus_one", num_stages = 1 : i32, num_warps = 1 : i32}');
    expect(text).toContain('operand_layouts = [dense<[0]> : tensor<1xindex>]');
    expect(text.split('\n').filter((line) => line.includes('custom_call')).length).toBe(1);
  });

  test('refuses inputs and grids that do not fit', () => {
    expect(() => tritonCall(launch, [new Node('i32', [10])], [result])).toThrow(
      'takes pointers to (f32, f32), got (i32, f32)',
    );
    expect(() => tritonCall({ ...launch, grid: [1, 65_536, 1] }, [new Node('f32', [10])], [result])).toThrow(
      'grid [1, 65536, 1]',
    );
  });

  test('sizes', () => {
    expect([blocksOf(9, 8), blocksOf(8, 8), powerOfTwo(5), powerOfTwo(3, 16), powerOfTwo(64)]).toEqual([
      2, 1, 8, 16, 64,
    ]);
  });
});
