/** Does this browser have the relaxed SIMD instructions? */

/** A module of one function, whose body is `i32x4.relaxed_dot_i8x16_i7x16_add_s` of its three parameters. */
const PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b, 0x01, 0x7b], // types: (v128, v128, v128) -> v128
  ...[0x03, 0x02, 0x01, 0x00], // functions: one of that type
  ...[0x0a, 0x0d, 0x01, 0x0b, 0x00], // code: one body of 11 bytes without locals
  ...[0x20, 0x00, 0x20, 0x01, 0x20, 0x02], // local.get 0, 1, 2
  ...[0xfd, 0x93, 0x02, 0x0b], // the instruction (0x113 in LEB128), end
);

/** Validating compiles nothing, so a Content-Security-Policy without WebAssembly does not matter here. */
export function hasRelaxedSimd(): boolean {
  return typeof WebAssembly !== "undefined" && WebAssembly.validate(PROBE);
}
