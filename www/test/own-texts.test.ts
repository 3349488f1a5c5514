import { describe, expect, it } from "vitest";
import { collect } from "../src/own/collect.ts";
import { passagesOf } from "../src/own/passages.ts";
import { kindOf, readTexts } from "../src/own/read-texts.ts";

const file = (name: string, data: string | Uint8Array<ArrayBuffer>) => new File([data], name);
const faultsOf = async (name: string, text: string) => (await readTexts(name, text)).faults.map(({ place, message }) => `${place} ${message}`);

describe("passagesOf", () => {
  it("cuts at blank lines, and knows where each begins", () => {
    expect(passagesOf("one\nmore\n\n \r\ntwo\n\n\n")).toEqual([
      { line: 1, text: "one\nmore" },
      { line: 5, text: "two" },
    ]);
    expect(passagesOf(" \n\n")).toEqual([]);
  });

  it("cuts long ones between sentences, and loses nothing but space", () => {
    const sentence = "A sentence of some words stands here. ";
    const passages = passagesOf(sentence.repeat(100));
    expect(passages.length).toBeGreaterThan(3);
    for (const { text } of passages) expect(text.length).toBeLessThanOrEqual(1000);
    for (const { text } of passages) expect(text).toMatch(/^A .*here\.$/);
    expect(passages.map(({ text }) => text).join(" ")).toBe(sentence.repeat(100).trim());
    const endless = "x".repeat(5000);
    expect(passagesOf(endless).map(({ text }) => text).join("")).toBe(endless);
  });
});

describe("kindOf", () => {
  it("goes by the name, and of pasted text by its first line", () => {
    expect(["a.json", "a.jsonl", "a.NDJSON", "a.csv", "a.tsv", "a.txt", "a.md"].map((name) => kindOf(name, "{}"))).toEqual(["json", "jsonl", "jsonl", "csv", "csv", "plain", "plain"]);
    expect(['[{"text":"x"},\n "y"]', "[1] A note, and text"].map((text) => kindOf("", text))).toEqual(["json", "plain"]);
    expect(['{"text":"x"}', "title,text\na,b", "id;Body\n", "One, two.\n\nThree.", ""].map((text) => kindOf("", text))).toEqual(["jsonl", "csv", "csv", "plain", "plain"]);
  });
});

describe("readTexts", () => {
  it("reads JSON lines: objects with a text under one of its names, and strings", async () => {
    const { texts, faults } = await readTexts("a.jsonl", '{"title":"T","text":" one "}\n\n{"content":"two","id":7}\r\n"three"\n');
    expect(faults).toEqual([]);
    expect(texts).toEqual([
      { title: "T", text: "one" },
      { title: "a.jsonl, line 3", text: "two" },
      { title: "a.jsonl, line 4", text: "three" },
    ]);
  });

  it("reads a JSON list, one object by itself, and JSON lines under the same name", async () => {
    expect((await readTexts("a.json", '[\n  { "title": "T", "text": "one" },\n  "two"\n]')).texts).toEqual([{ title: "T", text: "one" }, { title: "a.json, entry 2", text: "two" }]);
    expect((await readTexts("a.json", '{\n "body": "one"\n}')).texts).toEqual([{ title: "a.json, entry 1", text: "one" }]);
    expect((await readTexts("a.json", '{"text":"one"}\n{"text":"two"}\n')).texts).toHaveLength(2);
    expect((await readTexts("", '["one"]')).texts).toEqual([{ title: "the pasted text, entry 1", text: "one" }]);
    expect(await faultsOf("a.json", '[{"text":"fine"}, null, ["secret"]]')).toEqual([expect.stringMatching(/^a\.json, entry 2 has no text/), expect.stringMatching(/^a\.json, entry 3 has no text/)]);
    expect(await faultsOf("a.json", "[secret")).toEqual(["a.json, line 1 is not JSON by itself"]);
  });

  it("reads CSV: quoted cells with commas and line ends, other separators, any case of the header", async () => {
    expect((await readTexts("a.csv", 'Title,Text\nA,"one, two\nthree ""four"""\nB,five\n')).texts).toEqual([
      { title: "A", text: 'one, two\nthree "four"' },
      { title: "B", text: "five" },
    ]);
    expect((await readTexts("a.tsv", "id\tbody\n1\tx, y\n")).texts).toEqual([{ title: "a.tsv, line 2", text: "x, y" }]);
    expect((await readTexts("a.csv", "name;content\r\nN;z\r\n")).texts).toEqual([{ title: "N", text: "z" }]);
  });

  it("names the line of whatever is wrong, and none of its words", async () => {
    expect(await faultsOf("a.jsonl", '{"text":"fine"}\nsecret words\n{"title":"secret"}\n5\n')).toEqual([
      "a.jsonl, line 2 is not JSON by itself",
      expect.stringMatching(/^a\.jsonl, line 3 has no text: it takes a field text, body,/),
      expect.stringMatching(/^a\.jsonl, line 4 has no text/),
    ]);
    expect(await faultsOf("b.csv", 'title,text\nA,"one\ntwo"\nsecret\nB,x,y\nC,"open\n')).toEqual([
      "b.csv, line 4 has 1 cells, and the header 2",
      "b.csv, line 5 has 3 cells, and the header 2",
      expect.stringMatching(/^b\.csv, line 6 has a quotation mark/),
    ]);
    expect(await faultsOf("c.csv", "secret,other\n1,2\n")).toEqual(expect.arrayContaining([expect.stringMatching(/^c\.csv, line 1 is no header/)]));
  });
});

describe("collect", () => {
  it("takes what is right, and all of a file or nothing of it", async () => {
    const { paragraphs, parts, faults } = await collect([file("a.txt", "one\n\ntwo"), file("b.jsonl", '{"text":"x"}\n{'), file("c.csv", "text\nthree\n")]);
    expect(paragraphs.map(({ text }) => text)).toEqual(["one", "two", "three"]);
    expect(new Set(paragraphs.map(({ id }) => id)).size).toBe(3);
    expect(parts).toEqual([{ name: "a.txt", count: 2 }, { name: "c.csv", count: 1 }]);
    expect(faults).toEqual([{ place: "b.jsonl, line 2", message: "is not JSON by itself" }]);
  });

  it("reads UTF-16 by its mark, and refuses what is no text, has none, or is too much", async () => {
    const wide = new Uint8Array([0xff, 0xfe, ...[..."zwölf"].flatMap((letter) => [letter.charCodeAt(0), 0])]);
    expect((await collect([file("w.txt", wide)])).paragraphs.map(({ text }) => text)).toEqual(["zwölf"]);
    const { paragraphs, faults } = await collect([file("a.bin", new Uint8Array([0, 1, 2])), file("b.txt", new Uint8Array([0xff, 0x41])), file("c.txt", "\n"), file("d.jsonl", '"x"\n'.repeat(10_001)), file("", "a\0b")]);
    expect(paragraphs).toEqual([]);
    expect(faults.map(({ place }) => place)).toEqual(["a.bin", "b.txt", "c.txt", "d.jsonl", "the pasted text"]);
    expect(faults[3]!.message).toBe("has 10,001 texts, and there is room for 10,000 more");
  });
});
