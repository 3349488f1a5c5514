/** How fast does a model read pages? Measured by what their tiles took, of which the last ones count most. */

import type { Device } from "../types.js";

/** What a measurement still counts once another one has come. */
const MEMORY = 0.5;

export interface MeasuredTiles {
  tiles: number;
  milliseconds: number;
}

export class PageRate {
  readonly #measured = new Map<Device, MeasuredTiles>();

  /** What a page took, of which so many tiles were encoded. */
  add(device: Device, { tiles, milliseconds }: MeasuredTiles): void {
    const before = this.#measured.get(device) ?? { tiles: 0, milliseconds: 0 };
    this.#measured.set(device, { tiles: MEMORY * before.tiles + tiles, milliseconds: MEMORY * before.milliseconds + milliseconds });
  }

  /** Nothing where nothing was measured. */
  of(device: Device): MeasuredTiles | undefined {
    return this.#measured.get(device);
  }
}
