/** The seed of a test's random numbers: `$IMGKIT_TEST_SEED`, to see again what was seen once, else another one each time. */
export function chosenSeed(): number {
  return Number(process.env['IMGKIT_TEST_SEED'] ?? Date.now() % 1_000_000);
}

/** Numbers from 0 up to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
