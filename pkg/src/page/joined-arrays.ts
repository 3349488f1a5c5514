/** Typed arrays, one after the other, as one. */

interface Numbers {
  readonly length: number;
}

export function joinedArrays<A extends Numbers & { set(numbers: A, start: number): void }>(Kind: new (length: number) => A, arrays: readonly A[]): A {
  const all = new Kind(arrays.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const array of arrays) {
    all.set(array, end);
    end += array.length;
  }
  return all;
}
