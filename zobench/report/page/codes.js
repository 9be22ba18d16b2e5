// Run lengths and scores from their 16-bit codes (zobench/report/encode.py).
const STEPS = 1600, MISSED = 65535, INFINITE = 65534, TOP = 65533;

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}
const lengthOf = (code) => (code === MISSED ? Infinity : 2 ** (code / STEPS));

function scoreOf(code, scale) {
  if (code === MISSED) return NaN;
  if (code === INFINITE) return Infinity;
  if (!scale.log) return scale.low * (1 - code / TOP) + scale.high * (code / TOP);
  return code === 0 ? 0 : Math.min(scale.high, Math.exp(Math.log(scale.low) + ((code - 1) / (TOP - 1)) * (Math.log(scale.high) - Math.log(scale.low))));
}

// Of these estimators, those whose runs (with their queries known) have no seconds, as data of other tools.
const untimed = (runs, estimators) => estimators.filter((e) => runs.some((r) => r.estimator === e && r.status !== "skipped" && r.queries > 0 && !Number.isFinite(r.seconds)));
const untimedText = (names) => (names.length ? `Seconds were not measured of ${names.join(", ")}.` : "");

// One object a run. Lengths of `hits` are in queries or seconds, Infinity where a target was missed.
function decoded() {
  const { runs, problems, traces } = data;
  const codes = { queries: unpacked(data.hits.queries), seconds: unpacked(data.hits.seconds) };
  const rows = unpacked(traces.rows), parts = ["queries", "seconds", "score"].map((name) => unpacked(traces[name]));
  let hit = 0, row = 0;
  return runs.problem.map((problem, i) => {
    const size = problems[problem].targets.length, from = hit, start = row;
    hit += size;
    row += rows[i];
    const scale = problems[problem].scale;
    return {
      problem, estimator: runs.estimator[i], repetition: runs.repetition[i],
      status: runs.statuses[runs.status[i]], reason: runs.reasons[runs.reason[i]],
      queries: real(runs.queries[i]), seconds: real(runs.seconds[i]), objective: real(runs.objective_seconds[i]),
      memory: real(runs.peak_memory[i]), final: real(runs.final_score[i]), best: real(runs.best_score[i]), targets: size,
      hits: (unit) => Array.from(codes[unit].subarray(from, from + size), (c) => lengthOf(c) * (unit === "seconds" ? 1e-6 : 1)),
      trace: () => Array.from({ length: rows[i] }, (_, k) => ({
        queries: lengthOf(parts[0][start + k]), seconds: lengthOf(parts[1][start + k]) * 1e-6, score: scoreOf(parts[2][start + k], scale),
      })),
    };
  });
}
