/** How fast does a model read? Measured by what its rankings took to encode texts, of which the last ones count most. */

import type { Cost, CostAnswer, RerankAnswer } from "../protocol.js";
import type { Device, Estimate, ModelInfo } from "../types.js";

/** Tokens below which a call tells more of what all calls take than of the model. */
const LEAST_TOKENS = 64;

/** What a measurement still counts once another one has come. */
const MEMORY = 0.5;

/**
 * Pairs of tokens that take as long as one token's products, over the width of hidden states: six by the number of multiplications, and of attention those take
 * about twice as long.
 */
const PAIRS = 3;

interface Measured {
  work: number;
  tokens: number;
  milliseconds: number;
}

export class Rate {
  readonly #hiddenSize: number;
  readonly #measured = new Map<Device, Measured>();

  constructor({ hiddenSize }: ModelInfo) {
    this.#hiddenSize = hiddenSize;
  }

  /** What a ranking took to encode its texts. */
  add(device: Device, { cost, timings }: Pick<RerankAnswer, "cost" | "timings">): void {
    if (cost.tokens < LEAST_TOKENS) return;
    const { work, tokens, milliseconds: before } = this.#measured.get(device) ?? { work: 0, tokens: 0, milliseconds: 0 };
    this.#measured.set(device, { work: MEMORY * work + this.#work(cost), tokens: MEMORY * tokens + cost.tokens, milliseconds: MEMORY * before + timings.encode });
  }

  /** Nothing where nothing was measured. */
  of(device: Device, cost: CostAnswer): Omit<Estimate, "measured"> & { measured: Omit<Estimate["measured"], "by"> } | undefined {
    const measured = this.#measured.get(device);
    if (!measured) return undefined;
    const { work, tokens, milliseconds } = measured;
    return { milliseconds: (milliseconds * this.#work(cost)) / work + cost.tokenize, tokens: cost.tokens, measured: { tokens: Math.round(tokens), milliseconds } };
  }

  /** As if all that was measured had been one text's tokens after another; nothing where nothing was. */
  tokensPerSecond(device: Device): number | undefined {
    const { tokens, milliseconds } = this.#measured.get(device) ?? {};
    return tokens && milliseconds ? Math.round((1000 * tokens) / milliseconds) : undefined;
  }

  /** What was measured so far is forgotten. */
  forget(device: Device): void {
    this.#measured.delete(device);
  }

  #work({ tokens, pairs }: Cost): number {
    return tokens + pairs / (PAIRS * this.#hiddenSize);
  }
}
