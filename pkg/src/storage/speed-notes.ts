/** How fast models were found to rank on this machine, for the visits to come. */

import type { DeviceSpeed } from "../types.js";
import { isSpeed } from "./device-choices.js";
import { findNote, keepNote, type Note } from "./hardware-notes.js";
import { identify, type ModelPlace } from "./stored-models.js";

const DAYS = 30;

/** Undefined where nothing is known. */
export async function findSpeed(place: ModelPlace): Promise<(DeviceSpeed & Note) | undefined> {
  return findNote<DeviceSpeed>(await about(place), undefined, DAYS, isSpeed);
}

/** Where nothing can be kept the next visit finds out for itself. */
export async function rememberSpeed(place: ModelPlace, speed: DeviceSpeed): Promise<void> {
  await keepNote(await about(place), undefined, speed);
}

async function about(place: ModelPlace): Promise<string> {
  return `speed/${(await identify(place)).key}`;
}
