// The score of a problem over queries or seconds: medians over runs, the middle half, single runs.
function quantile(sorted, q) {
  const place = q * (sorted.length - 1), low = Math.floor(place);
  return low === place ? sorted[low] : sorted[low] + (place - low) * (sorted[low + 1] - sorted[low]);
}

function held(trace, unit, x) {  // the last score at or before x
  let low = 0, high = trace.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trace[middle][unit] <= x * 1.0002) low = middle + 1; else high = middle;
  }
  return low ? trace[low - 1].score : NaN;
}

function convergeFigure(all, chosen) {
  const root = find("#converge"), key = (name) => find(`[data-key="${name}"]`, root);
  fill(key("problem"), data.problems.map((p, i) => [i, p.name]));
  let shown = [];

  function update() {
    const number_ = Number(key("problem").value), problem = data.problems[number_], unit = key("unit").value;
    if (!problem) return;
    const runs = all.filter((run) => run.problem === number_ && run.status !== "skipped").map((run) => ({ ...run, rows: run.trace().filter((r) => !Number.isNaN(r.score)) }));
    const without = unit === "seconds" ? untimed(runs, chosen()) : [], picked = chosen().filter((e) => !without.includes(e));
    const unknown = untimedText(without.map((e) => data.estimators[e].name));
    key("about").textContent = unknown;
    const mine = runs.filter((run) => picked.includes(run.estimator) && run.rows.length);
    const xs = mine.flatMap((run) => run.rows.map((r) => r[unit])).filter((v) => v > (unit === "seconds" ? 1.5e-6 : 0));
    const first = xs.reduce((a, b) => Math.min(a, b), Infinity), last = xs.reduce((a, b) => Math.max(a, b), 0);
    const low = Math.min(first, last / 1.01), high = low * (last / low) ** (Math.max(5, Number(key("cut").value)) / 100);
    key("cut-text").textContent = mine.length ? (unit === "queries" ? `${count(high)} queries` : duration(high)) : "";
    const steps = mine.length && last > 0 ? grid(low, high, GRID) : [];
    shown = [];
    for (const e of picked) {
      const traces = mine.filter((run) => run.estimator === e).map((run) => run.rows);
      if (!traces.length) continue;
      const at = (x) => traces.map((t) => held(t, unit, x)).filter((v) => !Number.isNaN(v)).sort((a, b) => a - b);
      const middle = (x, q = 0.5) => { const found = at(x); return found.length ? quantile(found, q) : NaN; };
      shown.push({
        name: data.estimators[e].name, index: data.estimators[e].place, runs: traces.length, at: middle,
        points: steps.map((x) => [x, middle(x)]), band: key("bands").checked && traces.length > 2 ? steps.map((x) => [x, middle(x, 0.25), middle(x, 0.75)]) : null,
        thin: key("single").checked ? traces.map((t) => t.map((r) => [r[unit], r.score])) : null,
      });
    }
    const values = shown.flatMap((s) => [...s.points.map((p) => p[1]), ...(s.band ?? []).flatMap((b) => [b[1], b[2]]), ...(s.thin ?? []).flat().map((p) => p[1])]).filter(Number.isFinite);
    const starts = mine.map((run) => run.rows[0].score).filter(Number.isFinite);
    const positive = problem.scale.log && values.some((v) => v > 0);
    every("option", key("scale"))[0].disabled = !positive;
    if (!positive) key("scale").value = "linear";
    const log = key("scale").value === "log";
    const inside = log ? values.filter((v) => v > 0) : values;
    let bottom = inside.reduce((a, b) => Math.min(a, b), Infinity), top = inside.reduce((a, b) => Math.max(a, b), -Infinity);
    if (starts.length && inside.length) {  // a run that explodes must not flatten the others
      const start = Math.max(...starts);
      top = Math.min(top, log ? start * 100 : start + Math.max(start - bottom, 1e-300));
      top = Math.max(top, Math.min(start, inside.reduce((a, b) => Math.max(a, b), -Infinity)));
    }
    const targets = problem.targets.map(real).filter(Number.isFinite), final = targets.at(-1);
    if (final !== undefined && final < bottom && (log ? final > bottom / 100 : bottom - final < 0.5 * (top - bottom))) bottom = final;
    if (log) { bottom /= 1.15; top *= 1.15; } else { const pad = (top - bottom || Math.abs(top) || 1) * 0.04; bottom -= pad; top += pad; }
    const lift = (v) => (log && v === 0 ? bottom : v);  // zero lies on the lower edge; what is kept and downloaded stays 0
    const series = shown.map((s) => ({
      ...s, points: s.points.map(([x, v]) => [x, lift(v)]), band: s.band?.map(([x, l, h]) => [x, lift(l), lift(h)]) ?? null,
      at: (x) => lift(s.at(x)), read: s.at,
    }));
    const within = targets.filter((t) => t >= bottom && t <= top), each = Math.ceil(within.length / 8);
    const some = within.filter((t, i) => (within.length - 1 - i) % each === 0);  // the final one is always there
    chart(find(".plot", root), {
      title: `Score on ${problem.name}`, step: true, series, empty: unknown,
      targets: some.map((t) => [t, t === final ? `final target ${number(t)}` : ""]),
      x: { label: unit, low, high, log: true, read: unit === "queries" ? count : duration },
      y: { label: `${problem.score} of the ${problem.kind === "best" ? "best" : "current"} point`, low: bottom, high: top, log, text: null },
    });
    const told = (v) => [number(v), v];
    const rows = shown.map((s) => [s.name, [count(s.runs), s.runs], told(s.at(low)), told(s.at(high)), [`${number(s.at(high, 0.25))} to ${number(s.at(high, 0.75))}`, s.at(high, 0.25)], told(s.at(high, 0)), told(s.at(high, 1))]);
    factTable(find(".numbers", root), ["estimator", "runs", "first", "median at the cut-off", "middle half", "best run", "worst run"], rows);
    page.converge = shown;
  }
  key("csv").addEventListener("click", () => download("convergence.csv", [["problem", "estimator", key("unit").value, "score", "kind"], ...shown.flatMap((s) => {
    const head = [data.problems[key("problem").value].name, s.name];
    const row = (x, v, kind) => [...head, four(x), four(v), kind];
    return [...s.points.map(([x, v]) => row(x, v, "median")), ...(s.band ?? []).flatMap(([x, l, h]) => [row(x, l, "25 %"), row(x, h, "75 %")]), ...(s.thin ?? []).flatMap((run, i) => run.map(([x, v]) => row(x, v, `run ${i + 1}`)))];
  })]));
  for (const name of ["problem", "unit", "scale", "bands", "single"]) key(name).addEventListener("change", update);
  key("cut").addEventListener("input", update);
  return update;
}
