/** Modules: equal graphs give equal texts, arguments in order, donations, constants. */
import { describe, expect, test } from 'vitest';
import { add, constant, multiply, operations, unary } from './hlo.ts';
import { whileLoop } from './loop.ts';
import { Node } from './node.ts';
import { writeModule } from './write-module.ts';

const leaf = (...shape: number[]): Node => new Node('f32', shape);

describe('writeModule', () => {
  const graph = (): Node[] => {
    const [x, y] = [leaf(3), leaf(3)];
    const sum = add(x, y);
    return [multiply(sum, sum), unary('tanh', x)];
  };

  test('equal graphs give equal texts', () => {
    expect(writeModule(graph(), { name: 'f' }).text).toBe(writeModule(graph(), { name: 'f' }).text);
  });

  test('a shared value is computed once', () => {
    const { text } = writeModule(graph(), { name: 'f' });
    expect(text.match(/stablehlo\.add/g)).toHaveLength(1);
  });

  test('leading leaves are arguments, used or not; others follow as they are reached', () => {
    const [used, unused, free] = [leaf(2), leaf(5), leaf(2)];
    const module = writeModule([add(free, used)], { name: 'f', leading: [unused, used] });
    expect(module.arguments).toEqual([unused, used, free]);
    expect(module.text).toContain('@main(%arg0: tensor<5xf32>, %arg1: tensor<2xf32>, %arg2: tensor<2xf32>)');
  });

  test('a donated leaf names its output', () => {
    const x = leaf(2);
    const { text } = writeModule([add(x, x)], { name: 'f', donations: new Map([[x, 0]]) });
    expect(text).toContain('%arg0: tensor<2xf32> {tf.aliasing_output = 0 : i32}');
  });

  test('leaves with values on the host may be written out', () => {
    const x = leaf(2);
    x.host = Float32Array.of(1, 2);
    const inlined = writeModule([add(x, x)], { name: 'f', inline: () => true });
    expect(inlined.arguments).toEqual([]);
    expect(inlined.text).toContain('dense<"0x0000803F00000040">');
    expect(writeModule([add(x, x)], { name: 'f' }).arguments).toEqual([x]);
  });

  test('one result of several', () => {
    const x = leaf(2);
    const [, second] = operations('some.pair', [x], [x, { type: 'i32', shape: [] }]);
    const { text } = writeModule([second as Node], { name: 'f' });
    expect(text).toContain('%0:2 = "some.pair"(%arg0) : (tensor<2xf32>) -> (tensor<2xf32>, tensor<i32>)');
    expect(text).toContain('"func.return"(%0#1) : (tensor<i32>)');
  });

  test('names that MLIR would not take', () => {
    expect(writeModule([leaf()], { name: 'train step/1' }).text).toContain('module @train_step_1 {');
  });

  test('graphs deeper than the call stack', () => {
    let x = leaf();
    for (let i = 0; i < 50_000; i++) x = unary('negate', x);
    expect(writeModule([x], { name: 'deep' }).text.length).toBeGreaterThan(50_000);
  });
});

describe('whileLoop', () => {
  const one = (): Node => constant(1, 'f32');

  test('a loop in a loop has names of its own', () => {
    const inner = (x: Node): Node =>
      whileLoop(
        [x],
        ([s]) => unary('not', s as Node),
        ([s]) => [unary('negate', s as Node)],
      )[0] as Node;
    const [result] = whileLoop(
      [one()],
      ([s]) => s as Node,
      ([s]) => [inner(s as Node)],
    );
    const { text } = writeModule([result as Node], { name: 'loops' });
    const declared = [...text.matchAll(/(%\w+)(?::\d+)? = /g)].map(([, name]) => name);
    expect(declared.some((name) => name?.startsWith('%ww'))).toBe(true);
    expect(declared.some((name) => /^%w\d/.test(name ?? ''))).toBe(true);
  });

  test('a body that reaches outside is refused', () => {
    const outside = leaf();
    expect(() =>
      whileLoop(
        [one()],
        ([s]) => s as Node,
        ([s]) => [add(s as Node, outside)],
      ),
    ).toThrow(/pass it through the state/);
  });
});
