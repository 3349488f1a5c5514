// Numbers as people read them.

const whole = new Intl.NumberFormat("en");

export function count(value: number, one: string, many = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

export function megabytes(bytes: number): string {
  if (bytes < 1e6) return `${whole.format(Math.max(1, Math.round(bytes / 1e3)))} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

export function megabytesOf(loaded: number, total: number): string {
  const done = (loaded / 1e6).toFixed(1);
  return total > 0 ? `${done} of ${(total / 1e6).toFixed(1)} MB` : `${done} MB`;
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : whole.format(Math.round(value))} ms`;
}

/** For what takes long enough to be waited for. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 90) return count(Math.max(1, Math.round(seconds)), "second");
  return seconds < 5400 ? count(Math.round(seconds / 60), "minute") : count(Math.round(seconds / 3600), "hour");
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
