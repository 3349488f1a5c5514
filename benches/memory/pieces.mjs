// Pieces of a Unigram vocabulary with their scores: words that nobody speaks, on the whole as long as XLM-RoBERTa's, which take 11 bytes.

const CONSONANTS = "bdghklmnrstv";
const VOWELS = "aeio";
const LENGTHS = [3, 4, 5, 6];

export function pieces(count) {
  let state = 1;
  const below = (limit) => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 16) % limit;
  const syllable = () => CONSONANTS[below(CONSONANTS.length)] + VOWELS[below(VOWELS.length)];
  const words = new Set();
  while (words.size < count) {
    const start = below(2) === 0 ? "▁" : "";
    words.add(start + Array.from({ length: LENGTHS[below(LENGTHS.length)] }, syllable).join(""));
  }
  return [...words].map((word, place) => [word, -4 - place / 25_000]);
}
