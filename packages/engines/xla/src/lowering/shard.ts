/** `shard` of @tesserae/tensor: how a value lies on the mesh in use. */
import type { ShardSpec } from '@tesserae/tensor';
import { operation } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import type { Lowerings } from './kernel.ts';

/** See the file header. */
export const shard: Lowerings = {
  Shard: (call) => {
    const x = call.node('x');
    const placement = call.backend.deviceMesh?.placement(x.shape.length, call.attrs<{ spec: ShardSpec }>().spec);
    if (placement === undefined) throw new Error('internal: xla Shard without a mesh.');
    let placed: Node;
    if (x.operation === undefined && x.host !== undefined && call.backend.trace === undefined) {
      // Values in main memory go to the devices part by part, without a program.
      placed = new Node(x.type, x.shape);
      placed.host = x.host;
    } else {
      placed = operation('sdy.sharding_constraint', [x], x.type, x.shape, `sharding = ${placement.text}`);
    }
    placed.placement = placement;
    return placed;
  },
};
