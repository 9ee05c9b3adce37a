// A trace is read while services still send: each sends its spans and its records in
// batches of its own, seconds apart.

/** How long after its end parts of a trace are waited for. */
export const settleMs = 30_000

/** How often to ask again (ms) for a trace whose last known span ended then; false when it is complete. */
export const settling = (endMs: number, now = Date.now()): number | false => (now - endMs < settleMs ? 2_000 : false)

/** How often to ask for a trace that is not here (ms). */
export const awaited = 5_000
