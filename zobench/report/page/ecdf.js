// The share of (problem, target, run) triples reached by x: the definition of zobench/analysis/ecdf.py,
// computed here so that problems can be chosen; a test holds the two together.
const GRID = 160;

const grid = (low, high, points) => Array.from({ length: points }, (_, i) => low * (high / low) ** (i / (points - 1)));

// Problems -> runs -> sorted lengths of one estimator, on an axis (queries are per dimension).
function lengthsOf(all, estimator, picked, unit) {
  const found = new Map();
  for (const run of all) {
    if (run.estimator !== estimator || run.status === "skipped" || !picked.has(run.problem) || !run.targets) continue;
    if (!found.has(run.problem)) found.set(run.problem, []);
    const unitLength = unit === "queries" ? real(data.problems[run.problem].dimension) : 1;
    found.get(run.problem).push(run.hits(unit).filter(Number.isFinite).map((v) => v / unitLength).sort((a, b) => a - b));
  }
  for (const [problem, runs] of found) {
    runs.problem = problem;
    runs.targets = data.problems[problem].targets.length;
    runs.budget = real(data.problems[problem].budget);
  }
  return [...found.values()];
}

function reached(sorted, x) {  // how many are <= x; codes are 0.02 % exact, so a little slack
  let low = 0, high = sorted.length;
  const limit = x * 1.0002;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1; else high = middle;
  }
  return low;
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const shareAt = (problems, x) => mean(problems.map((runs) => mean(runs.map((run) => reached(run, x) / runs.targets))));

// 1 - log(queries) / log(cut), 0 for a target missed by then: `log_area` of zobench/analysis/scores.py.
function areaTo(problems, cut, dimension) {
  const top = Math.log(Math.max(cut * dimension, 2));
  const one = (runs) => (run) => run.reduce((sum, v) => sum + (v <= cut * 1.0002 ? 1 - Math.min(1, Math.log(Math.max(v * dimension, 1)) / top) : 0), 0) / runs.targets;
  return mean(problems.map((runs) => mean(runs.map(one(runs)))));
}

// Student's t at 97.5 %, to 0.1 % from 3 degrees of freedom on (Cornish and Fisher's expansion).
function student(freedom) {
  const z = 1.959963984540054, s = z * z;
  return z * (1 + (s + 1) / (4 * freedom) + (5 * s * s + 16 * s + 3) / (96 * freedom ** 2) + (3 * s ** 3 + 19 * s * s + 17 * s - 15) / (384 * freedom ** 3)
    + (79 * s ** 4 + 776 * s ** 3 + 1482 * s * s - 1920 * s - 945) / (92160 * freedom ** 4));
}

// The 95 % band of `band` in zobench/analysis/ecdf.py: [x, low, high]; none below 3 degrees of freedom.
function bandOf(problems, xs) {
  const freedom = problems.flat().length - problems.length;
  if (freedom < 3) return null;
  const t = student(freedom) ** 2;
  return xs.map((x) => {
    let share = 0, variance = 0, inverse = 0;
    for (const mine of problems) {
      const n = mine.length, values = mine.map((run) => reached(run, x) / mine.targets), middle = mean(values);
      const spread = values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / Math.max(n - 1, 1) / n;
      share += middle / problems.length;
      inverse += 1 / n / problems.length ** 2;
      variance += (spread < 1e-12 ? 0.25 / n ** 2 : spread) / problems.length ** 2;
    }
    const spread = share * (1 - share), square = t / Math.max(spread / variance, 1 / inverse);
    const half = Math.sqrt(square * (spread + square / 4)), at = (sign) => (share + square / 2 + sign * half) / (1 + square);
    return [x, Math.max(0, Math.min(at(-1), share)), Math.min(1, Math.max(at(1), share))];
  });
}

function ecdfFigure(all, chosen) {
  const root = find("#ecdf"), key = (name) => find(`[data-key="${name}"]`, root);
  const sizes = [...new Set(data.problems.map((p) => p.dimension).filter((d) => d !== null))].sort((a, b) => a - b);
  const of = (d) => data.problems.map((p, i) => [p, i]).filter(([p]) => p.dimension === d);
  fill(key("dimension"), sizes.map((d) => [d, `d = ${count(d)} (${of(d).length} ${of(d).length === 1 ? "problem" : "problems"})`]));
  const cells = (d) => new Set(all.filter((r) => r.status !== "skipped" && data.problems[r.problem].dimension === d).map((r) => `${r.problem} ${r.estimator}`)).size;
  const sized = new Map(sizes.map((d) => [d, cells(d)]));
  const most = sizes.reduce((best, d) => (sized.get(d) > sized.get(best) ? d : best), sizes[0]);
  if (sizes.length) key("dimension").value = most;
  let picked = new Set(), shown = [], cache = new Map();

  function pickProblems() {
    const mine = of(Number(key("dimension").value)), host = key("problems");
    picked = new Set(mine.map(([, i]) => i));
    const boxes = mine.map(([p, i]) => make("label", {}, make("input", { type: "checkbox", checked: true, onchange: (event) => {
      if (event.target.checked) picked.add(i); else picked.delete(i);
      update();
    } }), p.name));
    const only = (text, wanted) => make("button", { type: "button", onclick: () => {
      mine.forEach(([p, i], k) => { boxes[k].firstChild.checked = wanted(p); if (wanted(p)) picked.add(i); else picked.delete(i); });
      update();
    } }, text);
    const groups = [...new Set(mine.map(([p]) => p.group))];
    host.replaceChildren(only("All", () => true), only("None", () => false), ...(groups.length > 1 ? groups.map((g) => only(`only ${g}`, (p) => p.group === g)) : []), ...boxes);
  }

  function update() {
    const dimension = Number(key("dimension").value), unit = key("unit").value, queries = unit === "queries";
    key("picked").textContent = `${picked.size} of ${of(dimension).length}`;
    const runs = all.filter((run) => picked.has(run.problem) && run.status !== "skipped");
    const times = queries ? [] : runs.flatMap((r) => [r.seconds, ...r.hits("seconds")]).filter((v) => Number.isFinite(v) && v > 0);
    const low = queries ? 1 / dimension : times.reduce((a, b) => Math.min(a, b), Infinity);
    const high = queries ? Math.max(...[...picked].map((i) => real(data.problems[i].budget))) / dimension : times.reduce((a, b) => Math.max(a, b), 0);
    const drawable = Number.isFinite(low) && high > low;
    const cut = low * (high / low) ** (Number(key("cut").value) / 100);
    key("cut-text").textContent = drawable ? (queries ? `${number(cut)} × d` : duration(cut)) : "";
    const without = queries ? [] : untimed(runs, chosen());
    shown = [];
    for (const e of drawable ? chosen().filter((e) => !without.includes(e)) : []) {
      const id = JSON.stringify([e, unit, dimension, [...picked].sort()]);
      if (!cache.has(id)) {
        const problems = lengthsOf(all, e, picked, unit), values = problems.flat(2).sort((a, b) => a - b);
        const xs = values.length > 400 ? grid(low, high, 2 * GRID) : [low, ...new Set(values.filter((v) => v > low)), high];
        cache.set(id, { problems, points: problems.length ? xs.map((x) => [x, shareAt(problems, x)]) : [], band: null });
      }
      const kept = cache.get(id), { problems, points } = kept;
      if (!problems.length) continue;
      if (key("bands").checked && !kept.band) kept.band = bandOf(problems, grid(low, high, GRID));
      const budgets = problems.map((p) => p.budget).sort((a, b) => a - b);
      shown.push({
        name: data.estimators[e].name, index: data.estimators[e].place, points, band: key("bands").checked ? kept.band : null, problems,
        at: (x) => shareAt(problems, x), cross: queries ? quantile(budgets, 0.5) / dimension : null,
      });
    }
    shown.sort((a, b) => b.at(cut) - a.at(cut));
    const unknown = untimedText(without.map((e) => data.estimators[e].name));
    chart(find(".plot", root), {
      title: "Share of targets reached", step: true, series: shown, empty: picked.size ? unknown : "No problem is chosen", cut: key("cut").value < 100 ? cut : null,
      x: { label: queries ? "queries / dimension" : "seconds", low, high, log: true, text: null, read: queries ? number : duration },
      y: { label: "share of targets reached", low: 0, high: 1, log: false, text: percent },
    });
    const wanted = new Set(shown.flatMap((s) => s.problems.map((p) => p.problem))).size;
    const fewer = shown.filter((s) => s.problems.length < wanted).map((s) => `${s.name} on ${s.problems.length}`);
    const differ = fewer.length ? `Not over the same problems: of ${wanted}, ${fewer.join(", ")}. To compare, choose problems that all ran.` : "";
    key("about").textContent = [unknown, differ].filter(Boolean).join(" ");
    const head = ["estimator", "problems", "runs", "reached by the cut-off", "95 % band", "area to the cut-off"];
    const rows = shown.map((s) => {
      const near = s.band?.reduce((a, b) => (Math.abs(Math.log(b[0] / cut)) < Math.abs(Math.log(a[0] / cut)) ? b : a));
      const area = queries ? areaTo(s.problems, cut, dimension) : NaN, made = s.problems.flat().length;
      return [s.name, [count(s.problems.length), s.problems.length], [count(made), made], [percent(s.at(cut)), s.at(cut)], near ? [`${percent(near[1])} to ${percent(near[2])}`, near[1]] : ["–", NaN], [queries ? area.toFixed(3) : "–", area]];
    });
    factTable(find(".numbers", root), head, rows);
    page.ecdf = shown;
  }
  key("csv").addEventListener("click", () => download("ecdf.csv", [["estimator", key("unit").value === "queries" ? "queries/dimension" : "seconds", "share", "kind"],
    ...shown.flatMap((s) => [...s.points.map(([x, v]) => [s.name, four(x), v, "curve"]), ...(s.band ?? []).flatMap(([x, l, h]) => [[s.name, four(x), l, "band low"], [s.name, four(x), h, "band high"]])])]));
  key("dimension").addEventListener("change", () => { pickProblems(); update(); });
  for (const name of ["unit", "bands"]) key(name).addEventListener("change", update);
  key("cut").addEventListener("input", update);
  pickProblems();
  return update;
}
