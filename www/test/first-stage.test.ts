import { describe, expect, it } from "vitest";
import { nearest, readTensor, requireSameModel } from "../src/first-stage.ts";
import { asProblem } from "../src/problem.ts";

function safetensors(header: object | string, data: Float32Array): ArrayBuffer {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + data.byteLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(new Uint8Array(data.buffer), 8 + text.length);
  return file.buffer;
}

const values = new Float32Array([1, 0, 0, 1, 0.6, 0.8]);
const embeddings = { dtype: "F32", shape: [3, 2], data_offsets: [0, 24] };

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return asProblem(error).code;
  }
  return undefined;
}

describe("readTensor", () => {
  it("reads values and shape, at whatever byte the data starts", () => {
    for (const padding of ["", " ", "  ", "   "]) {
      const tensor = readTensor(safetensors(JSON.stringify({ embeddings }) + padding, values), "embeddings");
      expect(tensor.shape).toEqual([3, 2]);
      expect([...tensor.values]).toEqual([...values]);
    }
  });

  it("names what is wrong", () => {
    expect(codeOf(() => readTensor(new ArrayBuffer(3), "embeddings"))).toBe("DATA_INVALID");
    expect(codeOf(() => readTensor(new TextEncoder().encode("<!doctype html>").buffer, "embeddings"))).toBe("DATA_INVALID");
    expect(codeOf(() => readTensor(safetensors({}, values), "embeddings"))).toBe("DATA_INVALID");
    const short = { ...embeddings, shape: [4, 2] };
    expect(codeOf(() => readTensor(safetensors({ embeddings: short }, values), "embeddings"))).toBe("DATA_INVALID");
    const beyond = { ...embeddings, data_offsets: [8, 32] };
    expect(codeOf(() => readTensor(safetensors({ embeddings: beyond }, values), "embeddings"))).toBe("DATA_INVALID");
  });
});

describe("nearest", () => {
  const vectors = { values, shape: [3, 2] };

  it("sorts by cosine, best first", () => {
    const hits = nearest(vectors, new Float32Array([0, 1]), 2);
    expect(hits.map(({ index }) => index)).toEqual([1, 2]);
    expect(hits[1]!.cosine).toBeCloseTo(0.8, 6);
  });

  it("breaks ties by index", () => {
    const same = { values: new Float32Array([0, 1, 1, 0, 0, 1]), shape: [3, 2] };
    expect(nearest(same, new Float32Array([0, 1]), 3).map(({ index }) => index)).toEqual([0, 2, 1]);
  });

  it("gives all there are when more are asked for, and none of none", () => {
    expect(nearest(vectors, new Float32Array([1, 0]), 10)).toHaveLength(3);
    expect(nearest({ values: new Float32Array(), shape: [0, 2] }, new Float32Array([1, 0]), 10)).toEqual([]);
  });

  it("refuses a vector of another width", () => {
    expect(codeOf(() => nearest(vectors, new Float32Array(3), 1))).toBe("DATA_MISMATCH");
  });
});

describe("requireSameModel", () => {
  const stored = new Float32Array([0.6, 0.8]);

  it("takes the vector of converted weights", () => {
    expect(codeOf(() => requireSameModel(stored, new Float32Array([0.64, 0.7684])))).toBeUndefined();
  });

  it("refuses another model's, as wide or not", () => {
    for (const found of [[0.8, -0.6], [-0.6, -0.8], [0.6, 0.8, 0], [NaN, NaN]]) {
      expect(codeOf(() => requireSameModel(stored, new Float32Array(found)))).toBe("DATA_MISMATCH");
    }
  });
});
