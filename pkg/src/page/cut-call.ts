/**
 * A call of which several workers do parts. A part whose worker died is given to another; the call fails when that one dies too, when the engine refuses a part, and
 * when it is aborted. It ends at once then, and with it all parts that are under way.
 */

import type { Calls } from "../protocol.js";
import type { Cut } from "./cut.js";
import { type Linked, linked } from "./linked.js";
import { reworded } from "./names.js";
import { notify } from "./notify.js";
import { type CallOptions, type WorkerClient, WorkerDeath } from "./worker-client.js";

/** Calls that can be cut. */
export type CutName = "rerank" | "encode" | "tiles";

/** A part of the list, and what a worker made of it. */
export interface Answered<K extends CutName> {
  places: readonly number[];
  answer: Calls[K]["answer"];
  client: WorkerClient;
}

export interface CutPlan<K extends CutName> {
  name: K;
  cut: Cut;
  /** Documents of the list. */
  total: number;
  requestOf(places: readonly number[]): Calls[K]["request"];
}

interface Part {
  places: readonly number[];
  deaths: number;
}

/** Deaths of a worker that a part survives. */
const DEATHS = 1;

export class CutCall<K extends CutName> {
  /** All parts, by their first places. */
  readonly answered: Promise<Answered<K>[]>;
  readonly #plan: CutPlan<K>;
  readonly #options: CallOptions;
  readonly #link: Linked;
  readonly #done: Answered<K>[] = [];
  /** Parts that are for another worker. */
  readonly #returned: Part[] = [];
  /** Documents that are done of each part under way. */
  readonly #begun = new Map<Part, number>();
  #heard = 0;
  #resolve: (answered: Answered<K>[]) => void = () => {};

  /** `ended`: aborts once nobody answers any more. */
  constructor(plan: CutPlan<K>, options: CallOptions, ended: AbortSignal) {
    this.#plan = plan;
    this.#options = options;
    this.#link = linked(options.signal, ended);
    const { signal } = this.#link.controller;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  /** Whether there is a part that no worker has. */
  get isOpen(): boolean {
    return !this.#signal.aborted && (this.#returned.length > 0 || this.#plan.cut.isLeft);
  }

  get #signal(): AbortSignal {
    return this.#link.controller.signal;
  }

  /** Gives the next part, as {@link Cut.next} cuts it, to a worker, and answers whether it has lived through it. */
  async next(client: WorkerClient, workers: number, here: number): Promise<boolean> {
    const part = this.#returned.shift() ?? { places: this.#plan.cut.next(workers, here), deaths: 0 };
    try {
      const answer = await this.#ask(client, part);
      this.#done.push({ places: part.places, answer, client });
      this.#begun.delete(part);
      this.#progressed(this.#sum());
      this.#endIfDone();
      return true;
    } catch (error) {
      return this.#failed(part, error);
    }
  }

  end(): void {
    this.#link.unlink();
  }

  #ask(client: WorkerClient, part: Part): Promise<Calls[K]["answer"]> {
    const { name, requestOf } = this.#plan;
    this.#begun.set(part, 0);
    const onProgress = ({ done }: { done: number }) => {
      this.#begun.set(part, done);
      this.#progressed(this.#sum());
    };
    const request = requestOf(part.places);
    const transfer = "vectors" in request && request.vectors ? this.#options.transfer : undefined;
    return client.call(name, request, { signal: this.#signal, onProgress, onScores: this.#scoresOf(part), transfer, once: true });
  }

  #scoresOf({ places }: Part): CallOptions["onScores"] {
    const { onScores } = this.#options;
    return onScores && (({ indices, ...scores }) => onScores({ ...scores, indices: indices.map((index) => places[index]!) }));
  }

  #failed(part: Part, error: unknown): boolean {
    this.#begun.delete(part);
    const died = error instanceof WorkerDeath;
    const isLost = this.#options.transfer && this.#options.transfer.length > 0;
    if (died && ++part.deaths <= DEATHS && !isLost) this.#returned.push(part);
    else this.#link.controller.abort(reworded(error, (message) => inList(message, part.places)));
    return !died;
  }

  #endIfDone(): void {
    if (this.isOpen || this.#begun.size > 0) return;
    this.#resolve(this.#done.sort((a, b) => a.places[0]! - b.places[0]!));
  }

  #sum(): number {
    const whole = this.#done.reduce((sum, { places }) => sum + places.length, 0);
    return [...this.#begun.values()].reduce((sum, done) => sum + done, whole);
  }

  /** A part that is begun again passes what it had done once more. */
  #progressed(done: number): void {
    if (done <= this.#heard || this.#signal.aborted) return;
    this.#heard = done;
    notify(this.#options.onProgress, { done, total: this.#plan.total });
  }
}

/** A message about a part's documents by their places in the list. */
export function inList(message: string, places: readonly number[]): string {
  return message.replace(/\bdocuments\[(\d+)\]/g, (found, place) => {
    const index = places[Number(place)];
    return index === undefined ? found : `documents[${index}]`;
  });
}
