/**
 * Names, shapes and number of a model's parameters from its configuration alone, without allocating any.
 *
 * LlamaGen-B (vocabulary 16384, 1000 classes) has 110,888,448 and LlamaGen-L 342,910,976.
 */
import { conditionLength, imageTokens, type ImageGPTConfig, resolveConfig } from './config.ts';

/**
 * Shape of every trainable parameter by name, as `new ImageGPT(config).parameters()` has them.
 *
 * @throws RangeError for a configuration that `ImageGPT` would refuse.
 */
export function parameterShapes(config: ImageGPTConfig): Record<string, number[]> {
  const resolved = resolveConfig(config);
  const { vocabulary, layers, heads, kvHeads, dim, hidden, condition, switches, tieEmbeddings } = resolved;
  const shapes: Record<string, number[]> = {};
  const linear = (name: string, from: number, to: number): void => {
    shapes[`${name}.weight`] = [from, to];
    if (switches.bias) shapes[`${name}.bias`] = [to];
  };
  const norm = (name: string): void => {
    shapes[`${name}.weight`] = [dim];
    if (switches.norm === 'layer') shapes[`${name}.bias`] = [dim];
  };

  const prefixVocabulary = condition.type === 'prefix' ? condition.vocabulary : 0;
  shapes['tokens.weight'] = [vocabulary + prefixVocabulary, dim];
  if (condition.type === 'none') shapes['condition.weight'] = [1, dim];
  if (condition.type === 'class') shapes['condition.weight'] = [condition.classes + 1, dim];
  if (condition.type === 'features') {
    shapes['condition.project.weight'] = [condition.dim, dim];
    shapes['condition.output.weight'] = [dim, dim];
  }
  if (switches.positions === 'learned' || condition.type === 'prefix') {
    shapes['conditionPositions'] = [conditionLength(condition), dim];
  }
  if (switches.positions === 'learned') shapes['positions'] = [imageTokens(resolved), dim];

  const kvDim = (dim / heads) * kvHeads;
  for (let layer = 0; layer < layers; layer++) {
    const block = `blocks.${layer}`;
    norm(`${block}.attentionNorm`);
    linear(`${block}.attention.qkv`, dim, dim + 2 * kvDim);
    linear(`${block}.attention.output`, dim, dim);
    norm(`${block}.feedForwardNorm`);
    linear(`${block}.feedForward.up`, dim, hidden);
    if (switches.feedForward === 'swiglu') linear(`${block}.feedForward.gate`, dim, hidden);
    linear(`${block}.feedForward.down`, hidden, dim);
  }
  if (switches.finalNorm) norm('norm');
  if (!tieEmbeddings) shapes['head.weight'] = [dim, vocabulary];
  return shapes;
}

/**
 * Number of trainable parameters.
 *
 * @throws RangeError for a configuration that `ImageGPT` would refuse.
 */
export function parameterCount(config: ImageGPTConfig): number {
  return Object.values(parameterShapes(config)).reduce(
    (total, shape) => total + shape.reduce((product, side) => product * side, 1),
    0,
  );
}
