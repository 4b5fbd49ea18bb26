export { codeCounts, codebookUsage, perplexity } from './codebook.ts';
export { CodebookStats } from './codebook-stats.ts';
export type { ImageMetricOptions } from './image-pair.ts';
export { decibels, psnr } from './psnr.ts';
export { ssim } from './ssim.ts';
