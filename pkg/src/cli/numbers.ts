/** Writes numbers as the native command does: by the fewest digits that tell them from others of their width. */

/** Powers of ten from which a number is written with an exponent. */
const WIDTHS = { single: { most: 13, least: -6 }, double: { most: 16, least: -5 } };

/** A score: of 32 bits, unless it is finer. */
export function scoreText(score: number | null): string {
  if (score === null) return "null";
  return Math.fround(score) === score ? written(score, WIDTHS.single, singleDigits(score)) : written(score, WIDTHS.double, score.toExponential());
}

function singleDigits(value: number): string {
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return text;
  }
  return value.toExponential();
}

function written(value: number, { most, least }: { most: number; least: number }, exponential: string): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const [mantissa, power] = exponential.replace("-", (_, at: number) => (at === 0 ? "" : "-")).split("e") as [string, string];
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  const point = Number(power) + 1;
  if (point > 0 && point <= most) {
    const whole = digits.padEnd(point, "0");
    return `${sign}${whole.slice(0, point)}.${whole.slice(point) || "0"}`;
  }
  if (point > least && point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ""}e${point > 0 ? "+" : ""}${point - 1}`;
}
