// What the page knows. Views read it and never each other; a view redraws when the part it shows was replaced.
import type { IndexParts, LoadOptions, ModelInfo, Progress, RerankOutput, Simd, Warning } from "tabrank";
import type { FirstStage } from "./first-stage-words.ts";
import type { ModelFacts } from "./model-size.ts";
import type { Choices } from "./settings.ts";
import type { ShownStage } from "./stage-order.ts";

export type Device = NonNullable<LoadOptions["device"]>;

/** The weights as they were published, or quantized. */
export type Weights = "f32" | "q8" | "q4";

export interface Paragraph {
  id: string;
  title: string;
  text: string;
}

/** A paragraph as the first stage sent it. */
export interface Candidate {
  paragraph: Paragraph;
  /** From 1, in the first stage's order. */
  rank: number;
  /** The first stage's. */
  score: number;
}

/** Texts of the user's own, and where they came from: names of files, none of what was pasted. */
export interface OwnTexts {
  paragraphs: readonly Paragraph[];
  parts: readonly { name: string; count: number }[];
}

export interface Example {
  id: string;
  text: string;
  /** Id of the paragraph the question was written for. */
  relevant?: string;
  vector: Float32Array;
}

export interface Problem {
  code: string;
  message: string;
  hint?: string;
}

export type ModelState =
  | { kind: "idle" }
  | { kind: "loading"; name: string; progress?: Progress }
  | { kind: "ready"; name: string; device: "cpu" | "webgpu"; simd: Simd; info: ModelInfo; warnings: readonly Warning[]; size: number; fromCache: boolean }
  | { kind: "failed"; problem: Problem };

export type Run =
  | { kind: "none" }
  /** The question stands, the model is not there yet. */
  | { kind: "waiting" }
  /** The first stage is at work, with the model; `step`: at what. */
  | { kind: "searching"; step: string }
  | { kind: "reranking"; done: number; total: number }
  | { kind: "done"; output: RerankOutput<Candidate> }
  | { kind: "empty" }
  | { kind: "cancelled" }
  | { kind: "failed"; problem: Problem };

export interface State extends Choices {
  /** Settings of the address that cannot be used. */
  refused: readonly string[];
  online: boolean;
  /** Of the model that was chosen and is not loaded, as far as they are known. Of a hub's model they are asked for only when the user says so. */
  facts: ModelFacts;
  model: ModelState;
  /** Of the page's own text. */
  paragraphs: number | undefined;
  /** The user's, in the place of the page's. */
  own: OwnTexts | undefined;
  examples: readonly Example[];
  corpusProblem: Problem | undefined;
  question: string;
  found: readonly Candidate[];
  /** Milliseconds of the first stage. */
  foundIn: number | undefined;
  /** What the first stage asked of the server for this question, where it may ask. */
  fetched: IndexParts | undefined;
  run: Run;
  /** The stage whose order is shown of what was reranked. */
  after: ShownStage;
  /** Whether the lists show all rows. */
  expanded: boolean;
}

export type Listener = (state: State, previous: State | undefined) => void;

export class Store {
  #state: State;
  readonly #listeners: Listener[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  set(patch: Partial<State>): void {
    const previous = this.#state;
    this.#state = { ...previous, ...patch };
    for (const listener of this.#listeners) listener(this.#state, previous);
  }

  /** Calls the listener now and after every change. */
  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
    listener(this.#state, undefined);
  }
}

/** Whether any of these parts was replaced. */
export function changed(state: State, previous: State | undefined, ...keys: (keyof State)[]): boolean {
  return previous === undefined || keys.some((key) => state[key] !== previous[key]);
}

/** The first stage in force: of texts that came a moment ago there are neither vectors nor an index. */
export function firstStageOf({ own, firstStage }: Pick<State, "own" | "firstStage">): FirstStage {
  return own ? "words" : firstStage;
}

/** The example the question was taken from, if it was. */
export function currentExample(state: State): Example | undefined {
  return state.own ? undefined : state.examples.find((example) => example.text === state.question);
}
